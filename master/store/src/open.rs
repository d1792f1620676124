//! Opening the store.
//!
//! Several `swarm` processes may use it at once: every write is one `BEGIN IMMEDIATE` transaction,
//! which waits for its turn, and a commit is on the disk before it returns.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use time::OffsetDateTime;

use crate::{StoreError, schema};

/// The version of the store's format that this program writes (`PRAGMA user_version`).
pub const STORE_FORMAT: u32 = 5;

/// How long a process waits for another one's write. Writes take milliseconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// The master's memory. It can be shared by threads.
pub struct Store {
    connection: Mutex<Connection>,
}

impl Store {
    /// Makes a store where there is none, with the first epoch. It appears whole or not at all,
    /// and never in the place of another.
    pub fn create(path: &Path, who: &str, now: OffsetDateTime) -> Result<Self, StoreError> {
        let file = |source| StoreError::File { path: path.to_owned(), source };
        let directory = path.parent().unwrap_or(Path::new("."));
        let draft = tempfile::NamedTempFile::new_in(directory).map_err(file)?.into_temp_path();
        let mut connection = connect(&draft)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(schema::VERSION_1)?;
        transaction.execute_batch(schema::VERSION_2)?;
        transaction.execute_batch(schema::VERSION_3)?;
        transaction.execute_batch(schema::VERSION_4)?;
        transaction.execute_batch(schema::VERSION_5)?;
        transaction.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", STORE_FORMAT)?;
        super::lease::begin(&transaction, who, now)?;
        transaction.commit()?;
        connection.close().map_err(|(_, error)| error)?;
        draft.persist_noclobber(path).map_err(|error| file(error.error))?;
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(file)?;
        Self::open(path)
    }

    /// Opens a store that is there, and brings one of an older format to this one. One of a newer
    /// format, or of another program, is not touched.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = |source| StoreError::File { path: path.to_owned(), source };
        if !path.metadata().map_err(file)?.is_file() {
            return Err(file(io::Error::other("it is not a file")));
        }
        let mut connection = connect(path)?;
        if number(&connection, "application_id")? != schema::APPLICATION_ID {
            return Err(StoreError::Foreign(path.to_owned()));
        }
        let format = number(&connection, "user_version")?;
        if format > STORE_FORMAT {
            return Err(StoreError::Newer { path: path.to_owned(), format });
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        if format < STORE_FORMAT {
            migrate(&mut connection)?;
        }
        Ok(Self { connection: Mutex::new(connection) })
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For writing: all of it, or nothing.
    pub(super) fn write<T, E: From<StoreError>>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.connection();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StoreError::from)?;
        let value = change(&transaction)?;
        transaction.commit().map_err(StoreError::from)?;
        Ok(value)
    }
}

/// All of it, or nothing; another process may have been faster.
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let format = number(&transaction, "user_version")?;
    let versions = [
        (2, schema::VERSION_2),
        (3, schema::VERSION_3),
        (4, schema::VERSION_4),
        (5, schema::VERSION_5),
    ];
    for (version, added) in versions {
        if format < version {
            transaction.execute_batch(added)?;
        }
    }
    transaction.pragma_update(None, "user_version", STORE_FORMAT)?;
    Ok(transaction.commit()?)
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, pragma, |row| row.get(0))
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::{Event, EventType, Events};

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(seconds)
    }

    fn path_and_store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::create(&directory.path().join("swarm.db"), "ada", at(0)).unwrap();
        (directory, store)
    }

    #[test]
    fn a_store_is_its_owners_alone_and_is_made_once() {
        let (directory, store) = path_and_store();
        let path = directory.path().join("swarm.db");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        drop(store);
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(Store::create(&path, "eve", at(9)), Err(StoreError::File { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no litter");
    }

    #[test]
    fn what_version_1_wrote_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("swarm.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(include_str!("../tests/data/store-version-1.sql")).unwrap();
        drop(old);
        let store = Store::open(&path).unwrap();
        let name = "web-1".parse().unwrap();
        let rollout = store.rollouts(false, 9).unwrap().remove(0);
        let read = serde_json::json!({
            "epoch": store.epoch().unwrap(),
            "hosts": store.hosts().unwrap(),
            "certificates": store.certificates(&name).unwrap(),
            "events": store.events(Events::Host(&name), 9).unwrap(),
            "releases": store.releases().unwrap(),
            "results": store.host_results(rollout.id).unwrap(),
            "rollout": rollout,
            "desired": store.desired(&name).unwrap(),
        });
        insta::assert_snapshot!(serde_json::to_string_pretty(&read).unwrap());
        assert_eq!(number(&store.connection(), "user_version").unwrap(), STORE_FORMAT);
        assert!(store.journal(rollout.id, 0).unwrap().is_empty());
    }

    #[test]
    fn what_version_3_had_quarantined_is_so_as_the_app_of_its_rollout() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("swarm.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(include_str!("../tests/data/store-version-1.sql")).unwrap();
        old.execute_batch(schema::VERSION_2).unwrap();
        old.execute_batch(schema::VERSION_3).unwrap();
        old.pragma_update(None, "user_version", 3).unwrap();
        let digest = protocol::Digest::from_bytes([7; 32]);
        let sql = "INSERT INTO quarantine (digest, rollout, host, why, since)
                   SELECT ?1, id, 'web-1', 'it died', '2026-01-02T03:04:05Z' FROM rollouts LIMIT 1";
        assert_eq!(old.execute(sql, [digest.to_string()]).unwrap(), 1);
        drop(old);
        let store = Store::open(&path).unwrap();
        let app = store.rollouts(false, 9).unwrap().remove(0).app;
        assert_eq!(store.quarantined(&app, &digest).unwrap().unwrap().why, "it died");
        assert!(store.is_quarantined(&digest).unwrap());
        let other = "another".parse().unwrap();
        assert_eq!(store.quarantined(&other, &digest).unwrap(), None);
    }

    #[test]
    fn a_newer_format_is_refused_and_left_as_it_is() {
        let (directory, store) = path_and_store();
        let path = directory.path().join("swarm.db");
        store.connection().pragma_update(None, "user_version", STORE_FORMAT + 1).unwrap();
        drop(store);
        let before = std::fs::read(&path).unwrap();
        let error = Store::open(&path).err().unwrap();
        assert!(matches!(error, StoreError::Newer { format, .. } if format == STORE_FORMAT + 1));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn what_is_not_a_store_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("swarm.db");
        assert!(matches!(Store::open(&path), Err(StoreError::File { .. })));
        let other = Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE other (x)").unwrap();
        drop(other);
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Foreign(_))));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_killed_write_leaves_nothing_and_does_not_stop_the_next() {
        let (directory, store) = path_and_store();
        let event = Event::new(EventType::HostUpdated, at(1), "ada");
        let failed: Result<(), StoreError> = store.write(|transaction| {
            super::super::event::insert(transaction, &event)?;
            Err(StoreError::Foreign("x".into()))
        });
        assert!(failed.is_err());
        let second = Store::open(&directory.path().join("swarm.db")).unwrap();
        assert!(second.events(Events::All, 10).unwrap().is_empty());
        second.record_event(&event).unwrap();
        assert_eq!(store.events(Events::All, 10).unwrap(), [event]);
    }

    #[test]
    fn processes_that_write_at_once_lose_nothing() {
        let (directory, _store) = path_and_store();
        let path = directory.path().join("swarm.db");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    let store = Store::open(path).unwrap();
                    for _ in 0..25 {
                        let who = format!("writer {writer}");
                        store.record_event(&Event::new(EventType::HostPhase, at(1), &who)).unwrap();
                    }
                });
            }
        });
        let events = Store::open(&path).unwrap().events(Events::All, 1000).unwrap();
        assert_eq!(events.len(), 100);
    }

    #[test]
    fn the_epoch_only_grows() {
        let (_directory, store) = path_and_store();
        assert_eq!(store.epoch().unwrap(), 1);
        let first = store.take_over(0, "ada", at(5)).unwrap();
        let second = store.take_over(u64::from(u32::MAX), "ada", at(5)).unwrap();
        assert!(1 < first && first < second);
        assert_eq!(store.epoch().unwrap(), second);
        assert_eq!(store.rise_above(second, "ada", at(5)).unwrap(), second + 1);
        assert_eq!(store.rise_above(first, "ada", at(5)).unwrap(), second + 1);
    }
}
