//! `journal.json`: where the running transaction stands. Absent means idle.
//!
//! It is written, and on the disk, before the act that it announces. It must never be written
//! after the fact.

use std::path::Path;

use common::{StateFileError, state_file};
use protocol::{
    CallerKind, Digest, FORMAT, Kind, OperatorName, Outcome, Period, Phase, TransactionId,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::MigrationPlan;
use crate::sys::BootTime;
use crate::transaction::Failure;
use crate::transaction::machine::{self, Data, Direction, State};

/// Everything that the next updater needs to finish a transaction that this one began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// The version of this format.
    pub format: u32,
    pub transaction: TransactionId,
    /// What it is for.
    pub kind: Kind,
    /// The act that is announced.
    pub phase: Phase,
    /// Which way it goes.
    pub direction: Direction,
    /// What `active` named when it began.
    pub from: Option<Digest>,
    /// What `prev` named when it began.
    pub prev: Option<Digest>,
    /// The release that was ordered; absent until its archive's digest is known.
    pub to: Option<Digest>,
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When this phase began.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// When this phase began, on a clock that cannot be set.
    pub since_boot: BootTime,
    /// How long the release is watched.
    pub watch: Period,
    /// Whether the master has to confirm.
    pub confirm: bool,
    /// Whether one agent is handed over to the next.
    #[serde(default)]
    pub handover: bool,
    /// In a handover: the mark of the agent that served when it began, until it is drained.
    #[serde(default)]
    pub old_agent: Option<String>,
    /// How often the host or the updater has died since it began.
    #[serde(default, skip_serializing_if = "is_none")]
    pub deaths: u32,
    /// What it does to stored data, if anything.
    #[serde(default, rename = "course", skip_serializing_if = "Option::is_none")]
    pub migration: Option<MigrationPlan>,
    /// Why it turned around.
    pub failure: Option<Failure>,
    /// How it ended. From here on the end is only written down, never decided anew.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// The caller's name for the order.
    pub order: Option<String>,
    pub epoch: Option<u64>,
    pub caller: CallerKind,
    /// The operator on the host who ordered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<OperatorName>,
}

impl Journal {
    /// Reads the journal of an app; `None` if nothing is under way.
    pub fn read(path: &Path) -> Result<Option<Self>, StateFileError> {
        state_file::read(path, FORMAT)
    }

    /// Puts it on the disk, whole.
    pub fn write(&self, path: &Path) -> Result<(), StateFileError> {
        state_file::write(path, self)
    }

    /// Ends the transaction: what it did is in the history by now.
    pub fn remove(path: &Path) -> Result<(), StateFileError> {
        state_file::remove(path)
    }

    /// Whether the transaction is past its switch and can be undone: that is, watched mostly.
    pub fn is_undoable(&self) -> bool {
        let state = self.state();
        matches!(state.kind, Kind::Update | Kind::Rollback)
            && self.outcome.is_none()
            && machine::after_switch(state.phase)
            && !machine::is_one_way(state.data, state.phase)
    }

    /// The part that decisions are made from.
    pub const fn state(&self) -> State {
        State {
            kind: self.kind,
            phase: self.phase,
            direction: self.direction,
            confirm: self.confirm,
            has_from: self.from.is_some(),
            handover: self.handover,
            data: match &self.migration {
                None => Data::Untouched,
                Some(plan) if plan.one_way => Data::OneWay,
                Some(_) => Data::Migrated,
            },
        }
    }

    /// The release that the agent should be running in this phase.
    pub const fn target(&self) -> Option<Digest> {
        match self.direction {
            Direction::Forward => self.to,
            Direction::Back => self.from,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_none(deaths: &u32) -> bool {
    *deaths == 0
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::transaction::FailureOrigin;

    /// A journal as version 1 wrote it. It must be read for ever.
    const VERSION_1: &str = r#"{
        "format": 1,
        "transaction": "0190a5c2-6f00-7000-8000-000000000000",
        "kind": "update",
        "phase": "watching",
        "direction": "forward",
        "from": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "prev": null,
        "to": "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        "started_at": "2026-01-02T03:04:05Z",
        "since": "2026-01-02T03:04:06Z",
        "since_boot": {"boot_id": "b", "millis": 5000},
        "watch": "1m",
        "confirm": false,
        "failure": null,
        "order": null,
        "epoch": 3,
        "caller": "master"
    }"#;

    #[test]
    fn a_journal_of_version_1_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.json");
        fs::write(&path, VERSION_1).unwrap();
        let journal = Journal::read(&path).unwrap().unwrap();
        assert_eq!((journal.phase, journal.deaths), (Phase::Watching, 0));
        journal.write(&path).unwrap();
        assert_eq!(Journal::read(&path).unwrap().unwrap(), journal);
        Journal::remove(&path).unwrap();
        assert!(Journal::read(&path).unwrap().is_none());
    }

    #[test]
    fn a_failure_and_a_migration_have_the_names_of_version_1() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.json");
        let text = VERSION_1.replace(
            r#""failure": null"#,
            r#""course": {"before": [], "after": [], "one_way": true, "backup": null},
               "failure": {"blame": "release", "problem": {"detail": "why", "code": "rolled_back"}}"#,
        );
        fs::write(&path, text).unwrap();
        let journal = Journal::read(&path).unwrap().unwrap();
        assert_eq!(journal.failure.as_ref().unwrap().origin, FailureOrigin::Release);
        assert_eq!(journal.state().data, Data::OneWay);
        let written = serde_json::to_value(&journal).unwrap();
        assert_eq!(written["failure"]["blame"], "release");
        assert_eq!(written["course"]["one_way"], true);
    }

    #[test]
    fn a_journal_of_a_newer_updater_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.json");
        fs::write(&path, r#"{"format": 2, "steps": []}"#).unwrap();
        let error = Journal::read(&path).unwrap_err();
        assert!(matches!(error, StateFileError::Newer { found: 2, .. }), "{error}");
        assert!(path.exists());
    }

    #[test]
    fn a_damaged_journal_is_an_error_and_not_idle() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.json");
        fs::write(&path, "{\"format\": 1, \"tra").unwrap();
        assert!(matches!(Journal::read(&path), Err(StateFileError::Malformed { .. })));
    }
}
