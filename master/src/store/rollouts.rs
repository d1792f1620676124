//! Rollouts and what each of their hosts came to.

use std::fmt;

use protocol::{AppName, Digest, HostName, HostOutcome, Kind, TransactionId};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::store::column::{Json, Stamp, Text};
use crate::store::{Store, StoreError};

/// The name of a rollout: a UUID of version 7, so that they sort by time and no two are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RolloutId(Uuid);

impl RolloutId {
    /// A name that no rollout has had.
    #[expect(clippy::new_without_default, reason = "no two are the same: there is no default")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for RolloutId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

/// An update or a rollback of some hosts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rollout {
    /// Its name.
    pub id: RolloutId,
    /// `update` or `rollback`.
    pub kind: Kind,
    /// The app.
    pub app: AppName,
    /// The release; absent for a rollback to what each host ran before.
    pub release: Option<Digest>,
    /// The selection as it was written.
    pub selection: String,
    /// Who started it.
    pub who: String,
    /// The epoch of its orders.
    pub epoch: u64,
    /// The rest of what was asked for: an object.
    pub policy: Value,
    /// When it was started.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When it ended; absent while it runs, and for ever if the master was killed in it.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// How it ended.
    pub result: Option<RolloutResult>,
}

/// How a rollout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutResult {
    /// Every host as asked.
    Completed,
    /// Some host not.
    Failed,
    /// Somebody stopped it before it had come to all hosts.
    Interrupted,
}

impl RolloutResult {
    /// The name on the wire and on the screen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What a host came to in a rollout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostResult {
    /// The host.
    pub host: HostName,
    /// How it ended there.
    pub outcome: HostOutcome,
    /// A stable name of what went wrong, if something did.
    pub code: Option<String>,
    /// In words.
    pub detail: Option<String>,
    /// The release before.
    pub from: Option<Digest>,
    /// The release after.
    pub to: Option<Digest>,
    /// The updater's own name for it.
    pub transaction: Option<TransactionId>,
    /// How long it took.
    pub duration_ms: Option<u64>,
}

impl Store {
    /// Writes down a rollout before its first order goes out.
    pub fn start_rollout(&self, rollout: &Rollout) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO rollouts
                 (id, kind, app, release, selection, who, epoch, policy, started_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    Text(rollout.id),
                    Text(rollout.kind),
                    Text(&rollout.app),
                    rollout.release.map(Text),
                    rollout.selection,
                    rollout.who,
                    rollout.epoch,
                    Json(&rollout.policy),
                    Stamp(rollout.started_at),
                ],
            )?;
            Ok(())
        })
    }

    /// Writes down what a host came to, as soon as it is known. A later word replaces an earlier.
    pub fn record_host_result(
        &self,
        rollout: RolloutId,
        result: &HostResult,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO host_results (rollout, host, outcome, code, detail,
                 from_digest, to_digest, transaction_id, duration_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    Text(rollout),
                    Text(&result.host),
                    Text(result.outcome),
                    result.code,
                    result.detail,
                    result.from.map(Text),
                    result.to.map(Text),
                    result.transaction.as_ref().map(Text),
                    result.duration_ms,
                ],
            )?;
            Ok(())
        })
    }

    /// Writes down how a rollout ended.
    pub fn finish_rollout(
        &self,
        id: RolloutId,
        result: RolloutResult,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            let changed = transaction.execute(
                "UPDATE rollouts SET result = ?2, finished_at = ?3 WHERE id = ?1",
                params![Text(id), Text(result), Stamp(now)],
            )?;
            if changed == 1 { Ok(()) } else { Err(StoreError::UnknownRollout(id)) }
        })
    }

    /// A rollout.
    pub fn rollout(&self, id: RolloutId) -> Result<Rollout, StoreError> {
        let connection = self.connection();
        connection
            .query_row("SELECT * FROM rollouts WHERE id = ?1", [Text(id)], read_rollout)
            .optional()?
            .ok_or(StoreError::UnknownRollout(id))
    }

    /// The last `limit` rollouts, the newest first.
    pub fn rollouts(&self, limit: u32) -> Result<Vec<Rollout>, StoreError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare("SELECT * FROM rollouts ORDER BY rowid DESC LIMIT ?1")?;
        let rollouts = statement.query_map([limit], read_rollout)?;
        Ok(rollouts.collect::<Result<_, _>>()?)
    }

    /// What the hosts of a rollout came to, by name.
    pub fn host_results(&self, id: RolloutId) -> Result<Vec<HostResult>, StoreError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare("SELECT * FROM host_results WHERE rollout = ?1 ORDER BY host")?;
        let results = statement.query_map([Text(id)], read_result)?;
        Ok(results.collect::<Result<_, _>>()?)
    }
}

fn read_rollout(row: &Row<'_>) -> rusqlite::Result<Rollout> {
    Ok(Rollout {
        id: row.get::<_, Text<_>>("id")?.0,
        kind: row.get::<_, Text<_>>("kind")?.0,
        app: row.get::<_, Text<_>>("app")?.0,
        release: row.get::<_, Option<Text<_>>>("release")?.map(|text| text.0),
        selection: row.get("selection")?,
        who: row.get("who")?,
        epoch: row.get("epoch")?,
        policy: row.get::<_, Json<_>>("policy")?.0,
        started_at: row.get::<_, Stamp>("started_at")?.0,
        finished_at: row.get::<_, Option<Stamp>>("finished_at")?.map(|stamp| stamp.0),
        result: row.get::<_, Option<Text<_>>>("result")?.map(|text| text.0),
    })
}

fn read_result(row: &Row<'_>) -> rusqlite::Result<HostResult> {
    Ok(HostResult {
        host: row.get::<_, Text<_>>("host")?.0,
        outcome: row.get::<_, Text<_>>("outcome")?.0,
        code: row.get("code")?,
        detail: row.get("detail")?,
        from: row.get::<_, Option<Text<_>>>("from_digest")?.map(|text| text.0),
        to: row.get::<_, Option<Text<_>>>("to_digest")?.map(|text| text.0),
        transaction: row.get::<_, Option<Text<_>>>("transaction_id")?.map(|text| text.0),
        duration_ms: row.get("duration_ms")?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::store::testing::{at, path_and_store};

    fn rollout() -> Rollout {
        Rollout {
            id: RolloutId::new(),
            kind: Kind::Update,
            app: "agent".parse().unwrap(),
            release: Some(Digest::from_bytes([7; 32])),
            selection: "--all".to_owned(),
            who: "ada".to_owned(),
            epoch: 1,
            policy: json!({"parallel": 16}),
            started_at: at(0),
            finished_at: None,
            result: None,
        }
    }

    fn result(host: &str, outcome: HostOutcome) -> HostResult {
        HostResult {
            host: host.parse().unwrap(),
            outcome,
            code: Some("build_failed".to_owned()),
            detail: Some("no such module".to_owned()),
            from: None,
            to: Some(Digest::from_bytes([8; 32])),
            transaction: Some(TransactionId::new(Uuid::now_v7())),
            duration_ms: Some(1200),
        }
    }

    #[test]
    fn lesson_45_a_restarted_master_knows_what_it_rolled() {
        let (directory, store) = path_and_store();
        let (done, cut) = (rollout(), rollout());
        let results =
            [result("web-1", HostOutcome::Updated), result("web-2", HostOutcome::RolledBack)];
        store.start_rollout(&done).unwrap();
        for result in &results {
            store.record_host_result(done.id, result).unwrap();
        }
        store.finish_rollout(done.id, RolloutResult::Failed, at(9)).unwrap();
        store.start_rollout(&cut).unwrap();
        drop(store);

        let store = Store::open(&directory.path().join("swarm.db")).unwrap();
        let finished = Some(at(9));
        let done = Rollout { finished_at: finished, result: Some(RolloutResult::Failed), ..done };
        assert_eq!(store.rollouts(10).unwrap(), [cut, done.clone()], "the newest first");
        assert_eq!(store.rollout(done.id).unwrap(), done);
        assert_eq!(store.host_results(done.id).unwrap(), results);
    }

    #[test]
    fn a_later_word_about_a_host_replaces_an_earlier() {
        let (_directory, store) = path_and_store();
        let rollout = rollout();
        store.start_rollout(&rollout).unwrap();
        store.record_host_result(rollout.id, &result("web-1", HostOutcome::Unreachable)).unwrap();
        let last = result("web-1", HostOutcome::Updated);
        store.record_host_result(rollout.id, &last).unwrap();
        assert_eq!(store.host_results(rollout.id).unwrap(), [last]);
    }

    #[test]
    fn an_unknown_rollout_is_an_error() {
        let (_directory, store) = path_and_store();
        let id = RolloutId::new();
        assert!(matches!(store.rollout(id), Err(StoreError::UnknownRollout(_))));
        let finished = store.finish_rollout(id, RolloutResult::Completed, at(1));
        assert!(matches!(finished, Err(StoreError::UnknownRollout(_))));
    }

    #[test]
    fn lesson_46_no_two_rollouts_have_the_same_id_and_they_sort_by_time() {
        let ids: Vec<_> = (0..10_000).map(|_| RolloutId::new()).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }
}
