//! What a host came to, as people read it: a rollback to a newer release is none.

use control::rollout::ReleaseNames;
use protocol::{Digest, HostOutcome};

/// The word for an outcome of a host that went from one release to another. `failed`: it has a code.
pub(crate) fn outcome_word(
    outcome: HostOutcome,
    failed: bool,
    (from, to): (Option<Digest>, Option<Digest>),
    names: &ReleaseNames,
) -> &'static str {
    let is_forward = from.zip(to).is_some_and(|(from, to)| names.is_newer(&to, &from));
    match outcome {
        HostOutcome::RolledBack if !failed && is_forward => "went_forward",
        outcome => outcome.into_str(),
    }
}
