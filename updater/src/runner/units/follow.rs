//! Looking at units from the moment that they were started: systemd tells of every change, and the
//! first one after which a unit is not as it was started is the end of that start.

use super::Started;
use crate::systemd::{Bus, Systemd, SystemdError};

/// Waits until one of these units is not as it was started, and says how.
pub(super) async fn ended(bus: Bus, units: Vec<Started>) -> String {
    let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    bus.ask_until_answered(&names.join(", "), |systemd| watched(systemd, &units)).await
}

async fn watched(systemd: Systemd, units: &[Started]) -> Result<String, SystemdError> {
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
