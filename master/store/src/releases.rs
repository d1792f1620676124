//! The releases that were packed here, and which of them each host should run.

use protocol::{AppName, Digest, HostName};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::Serialize;
use time::OffsetDateTime;

use crate::column::{Stamp, Text};
use crate::{RolloutId, Store, StoreError};

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
    /// Remembers a release. What was known of that digest stays.
    pub fn add_release(&self, release: &KnownRelease) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO releases (digest, name, version, sha, size, packed_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (digest) DO NOTHING",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, path_and_store};

    fn release(fill: u8, version: &str) -> KnownRelease {
        KnownRelease {
            digest: Digest::from_bytes([fill; 32]),
            name: Some("greeter".to_owned()),
            version: Some(version.to_owned()),
            sha: None,
            size: 2_000,
            packed_at: at(i64::from(fill)),
        }
    }

    #[test]
    fn a_release_is_what_it_was_when_it_was_first_seen() {
        let (_directory, store) = path_and_store();
        store.add_release(&release(1, "1.0")).unwrap();
        store.add_release(&release(2, "2.0")).unwrap();
        store.add_release(&KnownRelease { packed_at: at(99), ..release(1, "other") }).unwrap();
        assert_eq!(store.releases().unwrap(), [release(2, "2.0"), release(1, "1.0")]);
        let digest = Digest::from_bytes([1; 32]);
        assert_eq!(store.release(&digest).unwrap(), Some(release(1, "1.0")));
        assert_eq!(store.release(&Digest::from_bytes([3; 32])).unwrap(), None);
    }
}
