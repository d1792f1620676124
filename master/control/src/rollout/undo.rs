//! What it takes to undo a rollout, one that is over too.

use std::collections::BTreeMap;

use engine::{Approve, Plan, Policy};
use protocol::{HostName, HostOutcome, Kind, OrderOptions};
use store::{HostResultRecord, Rollout, Store};

use crate::rollout::{Change, RolloutError};

/// The hosts that a rollout changed, and what it did to each. One of which it is not known what became of
/// its order may have been.
pub fn changes(
    store: &Store,
    rollout: &Rollout,
) -> Result<BTreeMap<HostName, Change>, RolloutError> {
    let results = store.host_results(rollout.id)?;
    let of_host = |result: HostResultRecord| {
        let to = result.to.or(rollout.release);
        is_changed(rollout.kind, &result).then_some((result.host, Change { from: result.from, to }))
    };
    let changes: BTreeMap<_, _> = results.into_iter().filter_map(of_host).collect();
    if changes.is_empty() { Err(RolloutError::NothingToUndo(rollout.id)) } else { Ok(changes) }
}

fn is_changed(kind: Kind, result: &HostResultRecord) -> bool {
    match result.outcome {
        HostOutcome::Updated | HostOutcome::Unclear => true,
        HostOutcome::RolledBack => kind == Kind::Rollback && result.code.is_none(),
        _ => false,
    }
}

/// These hosts in the order in which they are taken back: the last of the rollout first.
pub fn undo_order(plan: &Plan, changes: &BTreeMap<HostName, Change>) -> Vec<HostName> {
    let hosts = plan.hosts.iter().rev().map(|host| host.host.clone());
    hosts.filter(|host| changes.contains_key(host)).collect()
}

/// How they are gone through: in the rollout's own batches, with its delay. Nobody has to agree again.
pub fn undo_policy(policy: &Policy) -> Policy {
    Policy {
        canary: 0,
        approve: Approve::Never,
        spread: None,
        options: OrderOptions {
            irreversible: policy.options.irreversible,
            watch: policy.options.watch,
            ..OrderOptions::default()
        },
        ..policy.clone()
    }
}
