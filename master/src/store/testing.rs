//! Stores for tests.

use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use crate::store::Store;

/// A moment, in seconds after a fixed one.
pub(crate) fn at(seconds: i64) -> OffsetDateTime {
    time::macros::datetime!(2026-01-02 03:04:05 UTC) + Duration::seconds(seconds)
}

/// A store in a directory of its own.
pub(crate) fn path_and_store() -> (TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(&directory.path().join("swarm.db"), "ada", at(0)).unwrap();
    (directory, store)
}
