//! The releases that were packed here, and which of them each host should run.

use protocol::{AppName, Digest, HostName};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::Serialize;
use time::OffsetDateTime;

use crate::column::{Stamp, Text};
use crate::{Event, RolloutId, Store, StoreError, event};

/// A release whose archive this master had in hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownRelease {
    /// The SHA-256 of its archive.
    pub digest: Digest,
    /// The name in its `release.toml`.
    pub name: Option<String>,
    /// The version in its `release.toml`.
    pub version: Option<String>,
    /// The commit that it was packed from, or the label it was given.
    pub sha: Option<String>,
    /// Bytes of its archive.
    pub size: u64,
    /// When it was first seen.
    #[serde(with = "time::serde::rfc3339")]
    pub packed_at: OffsetDateTime,
}

/// What a host should run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Desired {
    pub host: HostName,
    /// Which of its apps.
    pub app: AppName,
    pub digest: Digest,
    /// The rollout that decided it.
    pub rollout: Option<RolloutId>,
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

impl Store {
    /// Remembers a release. What was known of that digest stays; what was not is filled in.
    pub fn add_release(&self, release: &KnownRelease) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO releases (digest, name, version, sha, size, packed_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (digest) DO UPDATE SET
                 name = coalesce(name, excluded.name), sha = coalesce(sha, excluded.sha),
                 version = coalesce(version, excluded.version)",
                params![
                    Text(release.digest),
                    release.name,
                    release.version,
                    release.sha,
                    release.size,
                    Stamp(release.packed_at),
                ],
            )?;
            Ok(())
        })
    }

    /// What is known of a digest.
    pub fn release(&self, digest: &Digest) -> Result<Option<KnownRelease>, StoreError> {
        let connection = self.connection();
        let sql = "SELECT * FROM releases WHERE digest = ?1";
        Ok(connection.query_row(sql, [Text(digest)], read_release).optional()?)
    }

    /// All known releases, the last one seen first.
    pub fn releases(&self) -> Result<Vec<KnownRelease>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare("SELECT * FROM releases ORDER BY rowid DESC")?;
        let releases = statement.query_map([], read_release)?;
        Ok(releases.collect::<Result<_, _>>()?)
    }

    /// Forgets a release; false if it was not known.
    pub fn remove_release(&self, digest: &Digest, event: &Event) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let sql = "DELETE FROM releases WHERE digest = ?1";
            let known = transaction.execute(sql, [Text(digest)])? == 1;
            if known {
                event::insert(transaction, event)?;
            }
            Ok(known)
        })
    }

    /// What every host should run.
    pub fn all_desired(&self) -> Result<Vec<Desired>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare("SELECT * FROM desired ORDER BY host, app")?;
        let desired = statement.query_map([], read_desired)?;
        Ok(desired.collect::<Result<_, _>>()?)
    }

    /// What a host should run, by app.
    pub fn desired(&self, host: &HostName) -> Result<Vec<Desired>, StoreError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare("SELECT * FROM desired WHERE host = ?1 ORDER BY app")?;
        let desired = statement.query_map([Text(host)], read_desired)?;
        Ok(desired.collect::<Result<_, _>>()?)
    }
}

fn read_release(row: &Row<'_>) -> rusqlite::Result<KnownRelease> {
    Ok(KnownRelease {
        digest: row.get::<_, Text<_>>("digest")?.0,
        name: row.get("name")?,
        version: row.get("version")?,
        sha: row.get("sha")?,
        size: row.get("size")?,
        packed_at: row.get::<_, Stamp>("packed_at")?.0,
    })
}

fn read_desired(row: &Row<'_>) -> rusqlite::Result<Desired> {
    Ok(Desired {
        host: row.get::<_, Text<_>>("host")?.0,
        app: row.get::<_, Text<_>>("app")?.0,
        digest: row.get::<_, Text<_>>("digest")?.0,
        rollout: row.get::<_, Option<Text<_>>>("rollout")?.map(|text| text.0),
        since: row.get::<_, Stamp>("since")?.0,
    })
}
