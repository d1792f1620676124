//! A rollout's journal: what happened to it, in order, and what follows from that for everybody
//! else, in one transaction.

use engine::RolloutResult;
use protocol::{Digest, HostName};
use rusqlite::{Row, Transaction, params};
use serde_json::Value;
use time::OffsetDateTime;

use crate::column::{Json, Stamp, Text};
use crate::{
    Desired, Event, HostResultRecord, Lease, RolloutId, Sequence, Store, StoreError, drivers,
    event, locks, quarantine,
};

/// One step of a rollout, as it is kept.
#[derive(Debug, Clone)]
pub struct Entry {
    pub time: OffsetDateTime,
    /// What, in the engine's own form.
    pub event: Value,
    /// What everybody may know of it.
    pub told: Vec<Event>,
    /// What hosts came to.
    pub results: Vec<HostResultRecord>,
    /// What hosts are to run from now on.
    pub desired: Vec<Desired>,
    /// A release that failed, where, and how.
    pub quarantined: Option<(Digest, HostName, String)>,
    /// A release that this rollout had quarantined, and that was proven after that.
    pub forgiven: Option<Digest>,
    /// The name of the rollout's state after it.
    pub state: &'static str,
    /// How the rollout ended, if it is over now: then its hosts are free.
    pub ended: Option<RolloutResult>,
}

/// Where in the journal an entry is to stand.
#[derive(Debug, Clone, Copy)]
pub struct Position<'a> {
    pub rollout: RolloutId,
    /// After so many entries.
    pub after: u64,
    /// The lease of the driver that appends; none for a process that only asks for something.
    pub lease: Option<&'a Lease>,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is on the disk; the last of what is told has this place.
    Done(Sequence),
    /// It is not: others have appended something in the meantime.
    Behind,
    /// It is not: the lease is lost.
    LeaseLost,
}

impl Store {
    /// Appends to a journal: all of the entry, or nothing.
    pub fn append(&self, position: Position<'_>, entry: &Entry) -> Result<Appended, StoreError> {
        let Position { rollout, after, lease } = position;
        self.write(|transaction| {
            if let Some(lease) = lease
                && !drivers::holds(transaction, lease)?
            {
                return Ok(Appended::LeaseLost);
            }
            if length(transaction, rollout)? != after {
                return Ok(Appended::Behind);
            }
            transaction
                .prepare_cached(
                    "INSERT INTO journal (rollout, sequence, time, event) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![
                    Text(rollout),
                    after + 1,
                    Stamp(entry.time),
                    Json(&entry.event)
                ])?;
            keep(transaction, rollout, entry)?;
            Ok(Appended::Done(transaction.last_insert_rowid()))
        })
    }

    /// The entries of a journal after the first `after`.
    pub fn journal(
        &self,
        rollout: RolloutId,
        after: u64,
    ) -> Result<Vec<(OffsetDateTime, Value)>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT time, event FROM journal WHERE rollout = ?1 AND sequence > ?2
             ORDER BY sequence",
        )?;
        let read = |row: &Row<'_>| Ok((row.get::<_, Stamp>(0)?.0, row.get::<_, Json<_>>(1)?.0));
        let entries = statement.query_map(params![Text(rollout), after], read)?;
        Ok(entries.collect::<Result<_, _>>()?)
    }
}

fn length(transaction: &Transaction<'_>, rollout: RolloutId) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(max(sequence), 0) FROM journal WHERE rollout = ?1";
    Ok(transaction.prepare_cached(sql)?.query_row([Text(rollout)], |row| row.get(0))?)
}

/// What follows from an entry.
fn keep(
    transaction: &Transaction<'_>,
    rollout: RolloutId,
    entry: &Entry,
) -> Result<(), StoreError> {
    for result in &entry.results {
        keep_result(transaction, rollout, result)?;
    }
    for desired in &entry.desired {
        keep_desired(transaction, desired)?;
    }
    if let Some((release, host, why)) = &entry.quarantined {
        quarantine::keep(transaction, rollout, release, host, why, entry.time)?;
    }
    if let Some(release) = &entry.forgiven {
        quarantine::lift(transaction, rollout, release)?;
    }
    transaction
        .prepare_cached("UPDATE rollouts SET state = ?2 WHERE id = ?1 AND state <> ?2")?
        .execute(params![Text(rollout), entry.state])?;
    if let Some(result) = entry.ended {
        transaction.execute(
            "UPDATE rollouts SET result = ?2, finished_at = ?3 WHERE id = ?1",
            params![Text(rollout), Text(result), Stamp(entry.time)],
        )?;
        locks::unlock(transaction, rollout)?;
    }
    // Last, so that the last row is the last event's.
    for told in &entry.told {
        event::insert(transaction, told)?;
    }
    Ok(())
}

/// A later word about a host replaces an earlier.
fn keep_result(
    transaction: &Transaction<'_>,
    rollout: RolloutId,
    result: &HostResultRecord,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO host_results (rollout, host, outcome, code, detail,
             from_digest, to_digest, transaction_id, duration_ms, target, needed, free)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            Text(rollout),
            Text(&result.host),
            Text(result.outcome),
            result.code,
            result.detail,
            result.from.map(Text),
            result.to.map(Text),
            result.transaction.as_ref().map(Text),
            result.duration_ms,
            result.target.map(Text),
            result.needed,
            result.free,
        ])?;
    Ok(())
}

fn keep_desired(transaction: &Transaction<'_>, desired: &Desired) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO desired (host, app, digest, rollout, since)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (host, app)
             DO UPDATE SET digest = ?3, rollout = ?4, since = ?5",
        )?
        .execute(params![
            Text(&desired.host),
            Text(&desired.app),
            Text(desired.digest),
            desired.rollout.map(Text),
            Stamp(desired.since),
        ])?;
    Ok(())
}
