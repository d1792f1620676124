//! The lease: the master with the highest epoch may give orders.

use rusqlite::{Transaction, params};
use time::OffsetDateTime;

use crate::column::Stamp;
use crate::{Store, StoreError};

/// The epoch of a new fleet.
const FIRST: u64 = 1;

pub(super) fn begin(
    transaction: &Transaction<'_>,
    who: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO lease (only_row, epoch, holder, since) VALUES (1, ?1, ?2, ?3)",
        params![FIRST, who, Stamp(now)],
    )?;
    Ok(())
}

impl Store {
    /// The number that every order carries. Updaters refuse one lower than they have seen.
    pub fn epoch(&self) -> Result<u64, StoreError> {
        Ok(self.connection().query_row("SELECT epoch FROM lease", [], |row| row.get(0))?)
    }

    /// Raises the epoch above `seen`, the highest that a host has seen, so that no other copy of this
    /// store can give orders any more, and tells the new one. A store restored from a backup does not
    /// know what its lost original had come to, nor what hosts have seen that do not answer now; so the
    /// new epoch is at least the time in seconds, which no count of take-overs reaches.
    pub fn take_over(&self, seen: u64, who: &str, now: OffsetDateTime) -> Result<u64, StoreError> {
        let seconds = u64::try_from(now.unix_timestamp()).unwrap_or(0);
        self.raise(who, now, |old| seconds.max(old.max(seen).saturating_add(1)))
    }

    /// Raises the epoch above `seen`, unless it is above it already, and tells what it is then.
    pub fn rise_above(&self, seen: u64, who: &str, now: OffsetDateTime) -> Result<u64, StoreError> {
        self.raise(who, now, |old| old.max(seen.saturating_add(1)))
    }

    fn raise(
        &self,
        who: &str,
        now: OffsetDateTime,
        to: impl Fn(u64) -> u64,
    ) -> Result<u64, StoreError> {
        self.write(|transaction| {
            let old: u64 =
                transaction.query_row("SELECT epoch FROM lease", [], |row| row.get(0))?;
            let new = to(old);
            transaction.execute(
                "UPDATE lease SET epoch = ?1, holder = ?2, since = ?3",
                params![new, who, Stamp(now)],
            )?;
            Ok(new)
        })
    }
}
