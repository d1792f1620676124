//! What a host came to, as people read it: a rollback to a newer release is none.

use control::rollout::ReleaseNames;
use engine::HostResult;
use protocol::HostOutcome;

/// The word for what a host came to.
pub(crate) fn outcome_word(result: &HostResult, names: &ReleaseNames) -> &'static str {
    let way = result.from.zip(result.to);
    let is_forward = way.is_some_and(|(from, to)| names.is_newer(&to, &from));
    match (result.outcome, &result.code) {
        (HostOutcome::RolledBack, None) if is_forward => "went_forward",
        _ => result.word(),
    }
}
