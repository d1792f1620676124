//! A store, a rollout in it, the process that drives that, and the time.

use ::store::{Claim, Driver, Rollout, RolloutId, Store};
use protocol::{Digest, Kind};
use serde_json::json;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

/// A moment, in seconds after a fixed one.
pub fn at(seconds: i64) -> OffsetDateTime {
    time::macros::datetime!(2026-01-02 03:04:05 UTC) + Duration::seconds(seconds)
}

/// A store in a directory of its own.
pub fn path_and_store() -> (TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(&directory.path().join("swarm.db"), "ada", at(0)).unwrap();
    (directory, store)
}

/// A rollout that was planned at [`at`]`(0)`. Its name is always the same.
pub fn rollout() -> Rollout {
    let id = "019a5c26-0000-7000-8000-000000000001";
    Rollout {
        id: serde_json::from_value::<RolloutId>(id.into()).unwrap(),
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
        state: "planned".to_owned(),
        plan: Some(Digest::from_bytes([9; 32])),
        message: None,
    }
}

/// A process that drives it.
pub fn driver() -> Driver {
    let claim = Claim { who: "ada".to_owned(), machine: "m".to_owned(), pid: 4711, started: 1 };
    Driver { claim, since: at(0), until: at(30) }
}
