//! `unproven.json`: there while the last transaction that touched the app proved nothing, however many
//! were refused or staged since.

use protocol::{FORMAT, LastTransaction, Outcome, TransactionId};
use serde::{Deserialize, Serialize};

/// Which transaction left nothing proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unproven {
    format: u32,
    transaction: TransactionId,
    what: UnprovenKind,
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
    pub const fn new(transaction: TransactionId, what: UnprovenKind) -> Self {
        Self { format: FORMAT, transaction, what }
    }

    pub const fn what(&self) -> UnprovenKind {
        self.what
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
