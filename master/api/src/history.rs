//! `swarm history`: the rollouts that were, and what each host came to.

use serde::Serialize;
use store::{Event, EventType, HostResultRecord, Rollout, RolloutId, Store, StoreError};

/// How many decisions are looked through, at most.
const DECISIONS: u32 = 10_000;

/// A rollout, as the store has it, and its hosts.
#[derive(Debug, Serialize)]
pub struct PastRollout {
    /// Its name, which stands under `id` too.
    #[serde(rename = "rollout")]
    pub id: RolloutId,
    #[serde(flatten)]
    pub rollout: Rollout,
    pub hosts: Vec<HostResultRecord>,
    /// Who let it go on, and what they were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Event>,
}

/// The last `limit` rollouts, the newest first.
pub fn past_rollouts(store: &Store, limit: u32) -> Result<Vec<PastRollout>, StoreError> {
    let kinds = [EventType::RolloutApproved, EventType::RolloutAborted, EventType::RolloutResumed];
    let decisions = store.events_of(&kinds, DECISIONS)?;
    let with_hosts = |rollout: Rollout| {
        let hosts = store.host_results(rollout.id)?;
        let of_rollout = decisions.iter().filter(|event| event.rollout == Some(rollout.id));
        let decisions = of_rollout.cloned().collect();
        Ok(PastRollout { id: rollout.id, rollout, hosts, decisions })
    };
    store.rollouts(false, limit)?.into_iter().map(with_hosts).collect()
}
