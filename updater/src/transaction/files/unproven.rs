//! `unproven.json`: there while the last transaction that touched the app proved nothing, however many
//! were refused or staged since.

use protocol::{FORMAT, LastTransaction, Outcome, TransactionId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Which transaction left nothing proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unproven {
    format: u32,
    transaction: TransactionId,
    what: UnprovenKind,
    /// Whether a fault of the host alone kept the release before from being proven again.
    #[serde(default)]
    host_fault: bool,
    /// When that release was proven after all, outside of transactions. An updater that does not know this
    /// goes on calling the host stranded.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "time::serde::rfc3339::option"
    )]
    proven_at: Option<OffsetDateTime>,
}

/// What it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnprovenKind {
    /// Neither release could be proven.
    Stranded,
    /// A first install was taken back: there is nothing to run.
    Nothing,
}

impl Unproven {
    pub const fn new(transaction: TransactionId, what: UnprovenKind, host_fault: bool) -> Self {
        Self { format: FORMAT, transaction, what, host_fault, proven_at: None }
    }

    /// What the transaction left that was not proven since.
    pub const fn what(&self) -> Option<UnprovenKind> {
        match self.proven_at {
            None => Some(self.what),
            Some(_) => None,
        }
    }

    /// Whether the release that is active counts as proven once its own probe passes: nothing but a fault
    /// of the host was in its way.
    pub const fn ends_with_the_fault(&self) -> bool {
        self.host_fault && matches!(self.what(), Some(UnprovenKind::Stranded))
    }

    /// As it is once the release that is active was proven.
    #[must_use]
    pub fn proven(self, now: OffsetDateTime) -> Self {
        Self { proven_at: Some(now), ..self }
    }
}

impl UnprovenKind {
    /// What the end of a transaction left, where it proved nothing; `None` within `Some` where it
    /// proved something, and `None` where it left all as it was.
    pub const fn of(outcome: Outcome, runs_a_release: bool) -> Option<Option<Self>> {
        match outcome {
            Outcome::Stranded => Some(Some(Self::Stranded)),
            Outcome::RolledBack if !runs_a_release => Some(Some(Self::Nothing)),
            Outcome::Updated | Outcome::RolledBack => Some(None),
            Outcome::AlreadyCurrent | Outcome::Staged | Outcome::Interrupted => None,
        }
    }

    /// What an updater that did not know this file left, by its history.
    pub fn by_history(lines: &[LastTransaction]) -> Option<Self> {
        lines.iter().rev().find_map(|line| Self::of(line.outcome, line.to.is_some())).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"format":1,"transaction":"0190a5c2-6f00-7000-8000-000000000000","kind":"update","outcome":"updated","from":null,"to":null,"target":null,"started_at":"2026-01-02T03:04:05Z","ended_at":"2026-01-02T03:04:06Z","caller":"master"}"#;

    #[test]
    fn a_fault_of_the_host_is_over_once_the_release_is_proven_and_no_other_is() {
        let transaction: TransactionId = "0190a5c2-6f00-7000-8000-000000000000".parse().unwrap();
        let left = |what, host_fault| Unproven::new(transaction.clone(), what, host_fault);
        let stranded = left(UnprovenKind::Stranded, true);
        assert!(stranded.ends_with_the_fault());
        assert!(!left(UnprovenKind::Stranded, false).ends_with_the_fault());
        assert!(!left(UnprovenKind::Nothing, true).ends_with_the_fault());
        let proven = stranded.proven(time::macros::datetime!(2026-01-02 03:04:05 UTC));
        let kept: Unproven =
            serde_json::from_value(serde_json::to_value(&proven).unwrap()).unwrap();
        assert_eq!((kept.what(), kept.ends_with_the_fault()), (None, false));
    }

    #[test]
    fn what_an_updater_wrote_that_knew_no_faults_is_read() {
        let text = r#"{"format":1,"transaction":"0190a5c2-6f00-7000-8000-000000000000","what":"stranded"}"#;
        let kept: Unproven = serde_json::from_str(text).unwrap();
        assert_eq!(
            (kept.what(), kept.ends_with_the_fault()),
            (Some(UnprovenKind::Stranded), false)
        );
    }

    #[test]
    fn a_history_says_what_was_left_until_something_is_proven() {
        let line = |outcome| LastTransaction { outcome, ..serde_json::from_str(LINE).unwrap() };
        let mut lines = vec![line(Outcome::Updated), line(Outcome::Stranded)];
        assert_eq!(UnprovenKind::by_history(&lines), Some(UnprovenKind::Stranded));
        lines.extend([line(Outcome::Staged), line(Outcome::Interrupted)]);
        assert_eq!(UnprovenKind::by_history(&lines), Some(UnprovenKind::Stranded));
        lines.push(line(Outcome::RolledBack));
        assert_eq!(UnprovenKind::by_history(&lines), Some(UnprovenKind::Nothing));
        lines.push(line(Outcome::Updated));
        assert_eq!(UnprovenKind::by_history(&lines), None);
        assert_eq!(UnprovenKind::by_history(&[]), None);
    }
}
