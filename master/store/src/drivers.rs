//! Who drives a rollout: a lease that has to be renewed, and that is taken over from the dead.
//!
//! The process that holds it may append to the rollout's journal and give its orders; the epoch of those
//! grows with every lease that is taken over, so that one who lost it is refused by the updaters.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::column::{Stamp, Text};
use crate::{RolloutId, Store, StoreError};

/// How long a lease holds without being renewed.
const TERM: Duration = Duration::seconds(30);

/// Who wants to drive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    pub who: String,
    /// The machine, in its present boot.
    pub machine: String,
    /// The process on it.
    pub pid: u32,
    /// When that process was started, in the machine's own count: pids are used again.
    pub started: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Driver {
    #[serde(flatten)]
    pub claim: Claim,
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// Until when, unless the lease is renewed.
    #[serde(with = "time::serde::rfc3339")]
    pub until: OffsetDateTime,
}

/// A lease that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Which rollout may be driven.
    pub rollout: RolloutId,
    /// What tells the holder from those before.
    pub(super) token: Uuid,
    /// The epoch of the orders.
    pub epoch: u64,
}

impl Store {
    /// Takes the lease, unless a process that is alive has it: then this is that one. `lives` says
    /// whether a process is still there, as far as this machine can tell.
    pub fn take_lease(
        &self,
        rollout: RolloutId,
        claim: &Claim,
        lives: impl Fn(&Claim) -> bool,
        now: OffsetDateTime,
    ) -> Result<Result<Lease, Driver>, StoreError> {
        self.write(|transaction| {
            let before = find(transaction, rollout)?;
            let mut epoch: u64 =
                transaction.query_row("SELECT epoch FROM lease", [], |row| row.get(0))?;
            if let Some(driver) = before {
                if driver.until > now && lives(&driver.claim) {
                    return Ok(Err(driver));
                }
                epoch += 1;
                transaction.execute(
                    "UPDATE lease SET epoch = ?1, holder = ?2, since = ?3",
                    params![epoch, claim.who, Stamp(now)],
                )?;
            }
            let token = Uuid::now_v7();
            transaction.execute(
                "INSERT OR REPLACE INTO drivers
                 (rollout, token, who, machine, pid, started, since, until)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    Text(rollout),
                    Text(token),
                    claim.who,
                    claim.machine,
                    claim.pid,
                    claim.started,
                    Stamp(now),
                    Stamp(now + TERM),
                ],
            )?;
            Ok(Ok(Lease { rollout, token, epoch }))
        })
    }

    /// Renews the lease; false if it is lost.
    pub fn renew_lease(&self, lease: &Lease, now: OffsetDateTime) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let renewed = transaction.execute(
                "UPDATE drivers SET until = ?3 WHERE rollout = ?1 AND token = ?2",
                params![Text(lease.rollout), Text(lease.token), Stamp(now + TERM)],
            )?;
            Ok(renewed == 1)
        })
    }

    /// Gives the lease back: it need not be taken over.
    pub fn leave_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "DELETE FROM drivers WHERE rollout = ?1 AND token = ?2",
                params![Text(lease.rollout), Text(lease.token)],
            )?;
            Ok(())
        })
    }

    /// Who drives a rollout, or drove it when it was left without a word.
    pub fn driver(&self, rollout: RolloutId) -> Result<Option<Driver>, StoreError> {
        find(&self.connection(), rollout)
    }
}

/// Whether the lease is still the holder's.
pub(super) fn holds(connection: &Connection, lease: &Lease) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM drivers WHERE rollout = ?1 AND token = ?2)";
    let holder = params![Text(lease.rollout), Text(lease.token)];
    Ok(connection.query_row(sql, holder, |row| row.get(0))?)
}

fn find(connection: &Connection, rollout: RolloutId) -> Result<Option<Driver>, StoreError> {
    let sql = "SELECT * FROM drivers WHERE rollout = ?1";
    Ok(connection.query_row(sql, [Text(rollout)], read).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Driver> {
    Ok(Driver {
        claim: Claim {
            who: row.get("who")?,
            machine: row.get("machine")?,
            pid: row.get("pid")?,
            started: row.get("started")?,
        },
        since: row.get::<_, Stamp>("since")?.0,
        until: row.get::<_, Stamp>("until")?.0,
    })
}
