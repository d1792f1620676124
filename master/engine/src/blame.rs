//! Whose fault a failure is. A code that is not known here blames neither host nor release.

use protocol::{Code, HostOutcome};

use crate::{HostResult, MasterCode, ResultCode};

/// What is to blame for the failure of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The host switched to the release, and could not prove it. Counts for the breaker.
    Release,
    /// The host itself: its result says so, and nothing else follows.
    Host,
    /// What is to blame is not known, so an operator has to look: the rollout pauses.
    Unclear,
}

/// What to blame for a result; none for a host that runs what it was asked to run, or was left out.
pub fn blame(result: &HostResult) -> Option<Blame> {
    let code = result.code.as_ref();
    let of_the_host = code.is_some_and(lies_with_the_host);
    let is = |known: Code| code == Some(&ResultCode::Updater(known));
    match result.outcome {
        HostOutcome::Updated | HostOutcome::AlreadyCurrent | HostOutcome::Skipped => None,
        // An order that was asked to stop after its switch says nothing about the release.
        HostOutcome::RolledBack if is(Code::Interrupted) => Some(Blame::Unclear),
        HostOutcome::RolledBack if of_the_host => Some(Blame::Host),
        HostOutcome::RolledBack => code.map(|_| Blame::Release),
        // Nothing runs well there, though the host says that the release is not to blame.
        HostOutcome::Stranded if is(Code::Internal) => Some(Blame::Unclear),
        HostOutcome::Stranded => Some(Blame::Release),
        HostOutcome::Unclear => Some(Blame::Unclear),
        // A rollback that was ordered, and that the host itself took back.
        HostOutcome::Failed if is(Code::RolledBack) => Some(Blame::Release),
        HostOutcome::Failed | HostOutcome::Unreachable => {
            Some(if of_the_host { Blame::Host } else { Blame::Unclear })
        }
    }
}

/// Whether a failure of this code lies with the host, or with the way to it. Most such are met before
/// the switch; a disk may also turn full or read-only in the watch. Every code has to say it: a new one
/// does not compile before.
fn lies_with_the_host(code: &ResultCode) -> bool {
    match code {
        ResultCode::Updater(code) => is_of_the_host(code),
        ResultCode::Master(code) => is_on_the_way(*code),
        ResultCode::Unknown(_) => false,
    }
}

const fn is_of_the_host(code: &Code) -> bool {
    match code {
        Code::BuildFailed
        | Code::Internal
        | Code::Interrupted
        | Code::Irreversible
        | Code::NoPreviousRelease
        | Code::NoSpace
        | Code::NotSupported
        | Code::PlatformMismatch
        | Code::Quarantined
        | Code::RoleForbidden
        | Code::UnknownApp
        | Code::UnknownRelease
        | Code::UpdateInProgress => true,
        Code::ArchiveRejected
        | Code::ArchiveTooLarge
        | Code::BadRequest
        | Code::DigestMismatch
        | Code::DigestMissing
        | Code::DrillFailed
        | Code::HeadTooLarge
        | Code::HookFailed
        | Code::MethodNotAllowed
        | Code::NotFound
        | Code::RollbackFailed
        | Code::RolledBack
        | Code::SelfUpdateFailed
        | Code::SignatureRejected
        | Code::StaleMaster
        | Code::TooManyReaders
        | Code::UnknownTransaction
        | Code::Unknown(_) => false,
    }
}

const fn is_on_the_way(code: MasterCode) -> bool {
    match code {
        MasterCode::BadAnswer
        | MasterCode::ConnectFailed
        | MasterCode::ConnectionBroken
        | MasterCode::Moved
        | MasterCode::NotInFleet
        | MasterCode::NotPinned
        | MasterCode::NotTaken
        | MasterCode::NotTrusted
        | MasterCode::Refused
        | MasterCode::TimedOut => true,
        MasterCode::Aborted
        | MasterCode::ArchiveUnreadable
        | MasterCode::AwaitingApproval
        | MasterCode::Deadline
        | MasterCode::Decommissioned
        | MasterCode::Defect
        | MasterCode::EnrolledWithoutAnUpdater
        | MasterCode::Held
        | MasterCode::Lost
        | MasterCode::NotStarted
        | MasterCode::Paused
        | MasterCode::TakenBack
        | MasterCode::Unhealthy => false,
    }
}

#[cfg(test)]
mod tests {
    use protocol::HostOutcome as O;

    use super::Blame::{Host, Release, Unclear};
    use super::*;

    #[test]
    fn only_what_was_switched_to_and_not_proven_is_the_releases_fault() {
        let of = |outcome, code: Option<&str>| {
            let result = HostResult::new(&"web-1".parse().unwrap(), outcome);
            blame(&HostResult { code: code.map(|code| code.to_owned().into()), ..result })
        };
        for (outcome, code, blamed) in [
            (O::Updated, None, None),
            (O::AlreadyCurrent, None, None),
            (O::Skipped, Some("decommissioned"), None),
            (O::RolledBack, None, None),
            (O::RolledBack, Some("rolled_back"), Some(Release)),
            (O::RolledBack, Some("interrupted"), Some(Unclear)),
            (O::RolledBack, Some("internal"), Some(Host)),
            (O::RolledBack, Some("no_space"), Some(Host)),
            (O::Stranded, Some("rollback_failed"), Some(Release)),
            (O::Stranded, Some("internal"), Some(Unclear)),
            (O::Failed, Some("rolled_back"), Some(Release)),
            (O::Failed, Some("no_space"), Some(Host)),
            (O::Failed, Some("build_failed"), Some(Host)),
            (O::Failed, Some("moved"), Some(Host)),
            (O::Unreachable, Some("connect_failed"), Some(Host)),
            (O::Unreachable, Some("timed_out"), Some(Host)),
            (O::Unreachable, Some("lost"), Some(Unclear)),
            (O::Unreachable, Some("deadline"), Some(Unclear)),
            (O::Failed, Some("archive_rejected"), Some(Unclear)),
            (O::Failed, Some("stale_master"), Some(Unclear)),
            (O::Failed, Some("unhealthy"), Some(Unclear)),
            (O::Failed, Some("of_the_future"), Some(Unclear)),
            (O::Unclear, Some("deadline"), Some(Unclear)),
            (O::Failed, None, Some(Unclear)),
        ] {
            assert_eq!(of(outcome, code), blamed, "{outcome} {code:?}");
        }
    }
}
