//! `swarm history`: the rollouts that were, and what each host came to.

use serde::Serialize;
use store::{HostResult, Rollout, Store, StoreError};

/// A rollout, as the store has it, and its hosts.
#[derive(Debug, Serialize)]
pub struct PastRollout {
    #[serde(flatten)]
    pub rollout: Rollout,
    pub hosts: Vec<HostResult>,
}

/// The last `limit` rollouts, the newest first.
pub fn past_rollouts(store: &Store, limit: u32) -> Result<Vec<PastRollout>, StoreError> {
    let with_hosts = |rollout: Rollout| {
        let hosts = store.host_results(rollout.id)?;
        Ok(PastRollout { rollout, hosts })
    };
    store.rollouts(false, limit)?.into_iter().map(with_hosts).collect()
}
