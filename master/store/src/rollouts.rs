//! Rollouts and what each of their hosts came to.

use std::fmt;
use std::str::FromStr;

use engine::RolloutResult;
use protocol::{AppName, Digest, HostName, HostOutcome, Kind, TransactionId};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::column::{Json, Stamp, Text};
use crate::short_id::check_length;
use crate::{Store, StoreError};

/// A rollout's row, with what its plan says of why it was begun.
const SELECT: &str = "SELECT *, json_extract(planned, '$.message') AS message FROM rollouts";
/// Letters of a rollout's name that are drawn by chance, and that are enough to tell it.
const SHORT: usize = 8;

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

    /// Its end, by which it can be named too: enough to tell it from any other.
    pub fn short(&self) -> String {
        let text = self.to_string();
        text[text.len() - SHORT..].to_owned()
    }
}

impl FromStr for RolloutId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
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
    pub id: RolloutId,
    /// `update` or `rollback`.
    pub kind: Kind,
    pub app: AppName,
    /// The release; absent for a rollback to what each host ran before.
    pub release: Option<Digest>,
    /// The selection as it was written.
    pub selection: String,
    pub who: String,
    /// The epoch of its orders.
    pub epoch: u64,
    /// The rest of what was asked for: an object.
    pub policy: Value,
    /// When it was started.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When it ended; absent before.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    pub result: Option<RolloutResult>,
    /// Where it stands: the name of its state.
    pub state: String,
    /// The digest of its plan; absent if format 1 wrote it.
    pub plan: Option<Digest>,
    /// Why it was begun, in the operator's words. It is kept in the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a host came to in a rollout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostResultRecord {
    pub host: HostName,
    /// How it ended there.
    pub outcome: HostOutcome,
    /// A stable name of what went wrong, if something did.
    pub code: Option<String>,
    pub detail: Option<String>,
    pub from: Option<Digest>,
    pub to: Option<Digest>,
    /// The release that it was ordered to run, where it got an order.
    pub target: Option<Digest>,
    /// Bytes that it wants, and has, where it has too few.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free: Option<u64>,
    /// The updater's own name for it.
    pub transaction: Option<TransactionId>,
    /// How long it took.
    pub duration_ms: Option<u64>,
}

impl Store {
    pub fn rollout(&self, id: RolloutId) -> Result<Rollout, StoreError> {
        let connection = self.connection();
        connection
            .query_row(&format!("{SELECT} WHERE id = ?1"), [Text(id)], read_rollout)
            .optional()?
            .ok_or(StoreError::UnknownRollout(id))
    }

    /// The rollout whose id this is, or the only one whose id ends so, or whose short form begins so; four
    /// characters at least.
    pub fn find_rollout(&self, name: &str) -> Result<Rollout, StoreError> {
        check_length("rollout", name)?;
        let connection = self.connection();
        let mut statement = connection.prepare(&format!("{SELECT} ORDER BY rowid DESC"))?;
        let all = statement.query_map([], read_rollout)?.collect::<Result<Vec<_>, _>>()?;
        let is_it = |rollout: &Rollout| {
            rollout.id.to_string().ends_with(name) || rollout.id.short().starts_with(name)
        };
        let mut found: Vec<_> = all.into_iter().filter(is_it).collect();
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(StoreError::NoSuchRollout(name.to_owned())),
            count => Err(StoreError::ManyRollouts { name: name.to_owned(), count }),
        }
    }

    /// Milliseconds that updates (or rollbacks) of this app took on hosts where they went well, the
    /// newest first, with the host.
    pub fn durations(
        &self,
        app: &AppName,
        kind: Kind,
        limit: u32,
    ) -> Result<Vec<(HostName, u64)>, StoreError> {
        let good = match kind {
            Kind::Rollback => HostOutcome::RolledBack,
            _ => HostOutcome::Updated,
        };
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT host, duration_ms FROM host_results JOIN rollouts ON rollout = id
             WHERE app = ?1 AND kind = ?2 AND outcome = ?3 AND duration_ms > 0
             ORDER BY rollouts.rowid DESC LIMIT ?4",
        )?;
        let read = |row: &Row<'_>| Ok((row.get::<_, Text<_>>(0)?.0, row.get(1)?));
        let durations =
            statement.query_map(params![Text(app), Text(kind), Text(good), limit], read)?;
        Ok(durations.collect::<Result<_, _>>()?)
    }

    /// The last `limit` rollouts, or the last of those that are not over. The newest is first, by
    /// the order in which they were begun: clocks go back, and two may begin in one instant.
    pub fn rollouts(&self, open: bool, limit: u32) -> Result<Vec<Rollout>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare(&format!(
            "{SELECT} WHERE NOT ?1 OR finished_at IS NULL ORDER BY rowid DESC LIMIT ?2"
        ))?;
        let rollouts = statement.query_map(params![open, limit], read_rollout)?;
        Ok(rollouts.collect::<Result<_, _>>()?)
    }

    /// What the hosts of a rollout came to, by name.
    pub fn host_results(&self, id: RolloutId) -> Result<Vec<HostResultRecord>, StoreError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare("SELECT * FROM host_results WHERE rollout = ?1 ORDER BY host")?;
        let results = statement.query_map([Text(id)], read_result)?;
        Ok(results.collect::<Result<_, _>>()?)
    }
}

impl Store {
    /// What each host of the fleet runs and ran by the rollouts that it was in, the last one first; the
    /// same release more than once.
    pub fn releases_on_hosts(&self) -> Result<Vec<(HostName, AppName, Digest)>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT host, app, to_digest, from_digest FROM host_results
             JOIN rollouts ON rollout = rollouts.id
             JOIN hosts ON hosts.name = host AND decommissioned_at IS NULL
             ORDER BY rollouts.rowid DESC",
        )?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (host, app): (Text<HostName>, Text<AppName>) = (row.get(0)?, row.get(1)?);
            for release in [row.get(2)?, row.get(3)?] {
                let release: Option<Text<Digest>> = release;
                found.extend(release.map(|release| (host.0.clone(), app.0.clone(), release.0)));
            }
        }
        Ok(found)
    }

    /// What a host came to in a rollout; none if it was not in it.
    pub fn host_result(
        &self,
        id: RolloutId,
        host: &HostName,
    ) -> Result<Option<HostResultRecord>, StoreError> {
        let connection = self.connection();
        let sql = "SELECT * FROM host_results WHERE rollout = ?1 AND host = ?2";
        let found = connection.query_row(sql, params![Text(id), Text(host)], read_result);
        Ok(found.optional()?)
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
        state: row.get("state")?,
        plan: row.get::<_, Option<Text<_>>>("plan")?.map(|text| text.0),
        message: row.get("message")?,
    })
}

fn read_result(row: &Row<'_>) -> rusqlite::Result<HostResultRecord> {
    Ok(HostResultRecord {
        host: row.get::<_, Text<_>>("host")?.0,
        outcome: row.get::<_, Text<_>>("outcome")?.0,
        code: row.get("code")?,
        detail: row.get("detail")?,
        from: row.get::<_, Option<Text<_>>>("from_digest")?.map(|text| text.0),
        to: row.get::<_, Option<Text<_>>>("to_digest")?.map(|text| text.0),
        target: row.get::<_, Option<Text<_>>>("target")?.map(|text| text.0),
        needed: row.get("needed")?,
        free: row.get("free")?,
        transaction: row.get::<_, Option<Text<_>>>("transaction_id")?.map(|text| text.0),
        duration_ms: row.get("duration_ms")?,
    })
}
