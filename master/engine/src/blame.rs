//! Whose fault a failure is.

use protocol::HostOutcome;

use crate::Row;

/// Who is to blame for what a host came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The release: it was switched to, and could not be proven. Counts for the breaker.
    Release,
    /// The host. It is in that host's row, and nothing else follows.
    Host,
    /// Nobody can say, so somebody has to look: the rollout pauses.
    Unclear,
}

/// Codes of failures that lie with the host, or with the way to it. Most are met before the switch; a
/// disk may also turn full or read-only in the watch.
const OF_THE_HOST: &[&str] = &[
    "bad_answer",
    "build_failed",
    "connect_failed",
    "connection_broken",
    "internal",
    "interrupted",
    "irreversible",
    "moved",
    "no_previous_release",
    "no_space",
    "not_in_fleet",
    "not_pinned",
    "not_supported",
    "not_taken",
    "not_trusted",
    "platform_mismatch",
    "quarantined",
    "refused",
    "role_forbidden",
    "timed_out",
    "unknown_app",
    "unknown_release",
    "update_in_progress",
];

/// Whom to blame for a row; nobody, if the host is where it was asked to be or was left out.
pub fn blame(row: &Row) -> Option<Blame> {
    let code = row.code.as_deref();
    let of_the_host = code.is_some_and(|code| OF_THE_HOST.contains(&code));
    match row.outcome {
        HostOutcome::Updated | HostOutcome::AlreadyCurrent | HostOutcome::Skipped => None,
        // An order that was asked to stop after its switch says nothing about the release.
        HostOutcome::RolledBack if code == Some("interrupted") => Some(Blame::Unclear),
        HostOutcome::RolledBack if of_the_host => Some(Blame::Host),
        HostOutcome::RolledBack => code.map(|_| Blame::Release),
        HostOutcome::Stranded => Some(Blame::Release),
        // A rollback that was ordered, and that the host itself took back.
        HostOutcome::Failed if code == Some("rolled_back") => Some(Blame::Release),
        HostOutcome::Failed | HostOutcome::Unreachable => {
            Some(if of_the_host { Blame::Host } else { Blame::Unclear })
        }
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
            let row = Row::new(&"web-1".parse().unwrap(), outcome);
            blame(&Row { code: code.map(str::to_owned), ..row })
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
            (O::Failed, None, Some(Unclear)),
        ] {
            assert_eq!(of(outcome, code), blamed, "{outcome} {code:?}");
        }
    }
}
