//! The hosts that did not come to what a rollout asked of them, for another try.

use protocol::{HostName, HostOutcome, Kind};
use store::{Rollout, Store};

use crate::rollout::RolloutError;

/// The hosts that failed in a rollout, went back by themselves, or were not reached, and are still in the
/// fleet. Those that it left out or never came to are none.
pub fn failed_hosts(store: &Store, rollout: &Rollout) -> Result<Vec<HostName>, RolloutError> {
    let results = store.host_results(rollout.id)?;
    let mut failed: Vec<_> = results
        .into_iter()
        .filter(|result| has_failed(rollout.kind, result.outcome))
        .map(|result| result.host)
        .collect();
    let fleet = store.hosts()?;
    failed.retain(|name| {
        fleet.iter().any(|host| host.name == *name && host.decommissioned_at.is_none())
    });
    if failed.is_empty() { Err(RolloutError::NoneFailed(rollout.id)) } else { Ok(failed) }
}

const fn has_failed(kind: Kind, outcome: HostOutcome) -> bool {
    match outcome {
        HostOutcome::Updated | HostOutcome::AlreadyCurrent | HostOutcome::Skipped => false,
        HostOutcome::RolledBack => !matches!(kind, Kind::Rollback),
        HostOutcome::Failed
        | HostOutcome::Unreachable
        | HostOutcome::Unclear
        | HostOutcome::Stranded => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_went_back_by_itself_has_failed_in_an_update_alone() {
        assert!(has_failed(Kind::Update, HostOutcome::RolledBack));
        assert!(!has_failed(Kind::Rollback, HostOutcome::RolledBack));
        assert!(!has_failed(Kind::Update, HostOutcome::Skipped));
        assert!(has_failed(Kind::Update, HostOutcome::Unreachable));
    }
}
