//! What the master knows of a host without asking it: what it should run, why it may not, and the rollout
//! that has it.

use std::collections::BTreeMap;

use protocol::{HostName, HostOutcome};
use serde::Serialize;
use store::{Desired, RolloutId, Store, StoreError};

/// What is known of a host.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub expected: Vec<Expected>,
    pub rollout: Option<HeldBy>,
}

/// What an app of a host should run.
#[derive(Debug, Clone)]
pub struct Expected {
    pub desired: Desired,
    /// How the host came out of the rollout that asked for it, where that did not bring it there.
    pub missed: Option<Missed>,
}

/// A host that did not come to what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missed {
    pub rollout: RolloutId,
    pub outcome: HostOutcome,
    pub code: Option<String>,
}

/// The rollout that has a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldBy {
    pub id: RolloutId,
    /// The name of its state.
    pub state: String,
}

/// Reads what is known of these hosts.
pub fn known<'a>(
    store: &Store,
    hosts: impl IntoIterator<Item = &'a HostName>,
) -> Result<BTreeMap<HostName, Known>, StoreError> {
    hosts.into_iter().map(|host| Ok((host.clone(), known_of(store, host)?))).collect()
}

fn known_of(store: &Store, host: &HostName) -> Result<Known, StoreError> {
    let expected = store.desired(host)?.into_iter().map(|desired| {
        let missed = missed(store, host, &desired)?;
        Ok(Expected { desired, missed })
    });
    let expected = expected.collect::<Result<_, StoreError>>()?;
    let rollout = store.holder(host)?.map(|id| store.rollout(id)).transpose()?;
    let rollout = rollout.map(|rollout| HeldBy { id: rollout.id, state: rollout.state });
    Ok(Known { expected, rollout })
}

fn missed(store: &Store, host: &HostName, desired: &Desired) -> Result<Option<Missed>, StoreError> {
    let Some(rollout) = desired.rollout else { return Ok(None) };
    let result = store.host_result(rollout, host)?;
    let result = result.filter(|result| result.to != Some(desired.digest));
    Ok(result.map(|result| Missed { rollout, outcome: result.outcome, code: result.code }))
}
