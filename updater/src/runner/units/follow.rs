//! Looking at units from the moment that they were started: systemd tells of every change, and the
//! first one after which a unit is not as it was started is the end of that start.

use super::{Amiss, Started};
use crate::systemd::{Bus, Systemd, SystemdError};

/// Waits until one of these units is not as it was started, and says how.
pub(super) async fn ended(bus: Bus, units: Vec<Started>) -> Amiss {
    let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    bus.ask_until_answered(&names.join(", "), |systemd| watched(systemd, &units)).await
}

async fn watched(systemd: Systemd, units: &[Started]) -> Result<Amiss, SystemdError> {
    let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    // Before the first look: what changes after it must not be missed.
    let mut changes = systemd.changes(&names).await?;
    for name in &names {
        systemd.remember(name).await;
    }
    let amiss = 'watching: loop {
        for unit in units {
            let state = systemd.state(&unit.name).await?;
            if let Some(amiss) = unit.amiss(&state) {
                break 'watching Amiss { how: format!("{} {}", unit.name, amiss.how), ..amiss };
            }
        }
        changes.changed().await.map_err(|_| SystemdError::broken())?;
    };
    for name in &names {
        systemd.forget(name).await;
    }
    Ok(amiss)
}
