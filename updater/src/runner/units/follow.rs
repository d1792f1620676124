//! Looking at units from the moment that they were started: systemd tells of every change, and the
//! first one after which a unit is not as it was started is the end of that start.

use std::time::Duration;

use common::chain;

use super::Started;
use crate::systemd::{Bus, SystemdError};

/// Between two tries to reach systemd, where the line to it broke.
const NEXT_TRY: Duration = Duration::from_secs(1);

/// Waits until one of these units is not as it was started, and says how.
pub(super) async fn ended(bus: Bus, units: Vec<Started>) -> String {
    loop {
        match watched(&bus, &units).await {
            Ok(how) => return how,
            Err(error) => tracing::warn!("the agent's units are out of sight: {}", chain(&error)),
        }
        tokio::time::sleep(NEXT_TRY).await;
    }
}

async fn watched(bus: &Bus, units: &[Started]) -> Result<String, SystemdError> {
    let systemd = bus.connect().await?;
    let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    // Before the first look: what changes after it must not be missed.
    let mut changes = systemd.changes(&names).await?;
    loop {
        for unit in units {
            let state = systemd.state(&unit.name).await?;
            if let Some(how) = unit.amiss(&state) {
                return Ok(format!("{} {how}", unit.name));
            }
        }
        changes.changed().await.map_err(|_| SystemdError::broken())?;
    }
}
