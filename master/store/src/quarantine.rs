//! Releases that failed somewhere as an app: as that, they are sent nowhere until they are forgiven.

use std::collections::BTreeSet;

use protocol::{AppName, Digest, HostName};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;
use time::OffsetDateTime;

use crate::column::{Stamp, Text};
use crate::{Event, RolloutId, Store, StoreError, event};

/// A release that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    pub rollout: RolloutId,
    /// On which host first.
    pub host: HostName,
    pub why: String,
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

impl Store {
    /// Where a release failed as this app, if it is quarantined.
    pub fn quarantined(
        &self,
        app: &AppName,
        release: &Digest,
    ) -> Result<Option<Quarantined>, StoreError> {
        let sql = "SELECT * FROM quarantine WHERE app = ?1 AND digest = ?2";
        let found = self.connection().query_row(sql, params![Text(app), Text(release)], read);
        Ok(found.optional()?)
    }

    /// The releases that are quarantined as this app.
    pub fn quarantined_releases(&self, app: &AppName) -> Result<BTreeSet<Digest>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare("SELECT digest FROM quarantine WHERE app = ?1")?;
        let digests = statement.query_map([Text(app)], |row| Ok(row.get::<_, Text<_>>(0)?.0))?;
        Ok(digests.collect::<Result<_, _>>()?)
    }

    /// Whether a release is quarantined as any app.
    pub fn is_quarantined(&self, release: &Digest) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM quarantine WHERE digest = ?1)";
        Ok(self.connection().query_row(sql, [Text(release)], |row| row.get(0))?)
    }

    /// Lifts the quarantine of a release, as whichever app; false if there was none. The event says who did, and
    /// why.
    pub fn forgive(&self, release: &Digest, forgiven: &Event) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let sql = "DELETE FROM quarantine WHERE digest = ?1";
            let lifted = transaction.execute(sql, [Text(release)])? > 0;
            if lifted {
                event::insert(transaction, forgiven)?;
            }
            Ok(lifted)
        })
    }
}

pub(super) fn keep(
    transaction: &Transaction<'_>,
    rollout: RolloutId,
    release: &Digest,
    host: &HostName,
    why: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO quarantine (app, digest, rollout, host, why, since)
         SELECT app, ?1, id, ?3, ?4, ?5 FROM rollouts WHERE id = ?2
         ON CONFLICT (app, digest) DO NOTHING",
        params![Text(release), Text(rollout), Text(host), why, Stamp(now)],
    )?;
    Ok(())
}

/// Lifts the quarantine of a release, if it is of this rollout's making.
pub(super) fn lift(
    transaction: &Transaction<'_>,
    rollout: RolloutId,
    release: &Digest,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM quarantine WHERE digest = ?1 AND rollout = ?2";
    transaction.execute(sql, params![Text(release), Text(rollout)])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Quarantined> {
    Ok(Quarantined {
        rollout: row.get::<_, Text<_>>("rollout")?.0,
        host: row.get::<_, Text<_>>("host")?.0,
        why: row.get("why")?,
        since: row.get::<_, Stamp>("since")?.0,
    })
}
