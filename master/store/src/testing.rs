//! Stores for tests.

use pki::Fingerprint;
use protocol::{Digest, Kind, parse_label};
use serde_json::json;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use crate::{Host, Pinned, Rollout, RolloutId, Store};

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

/// A rollout that was planned at [`at`]`(0)`. Its name is always the same.
pub(crate) fn rollout() -> Rollout {
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
    }
}

/// A host with an updater.
pub(crate) fn host(name: &str, labels: &[&str]) -> Host {
    let fingerprint: Fingerprint = "ab".repeat(32).parse().unwrap();
    Host {
        name: name.parse().unwrap(),
        address: "10.0.0.11".parse().unwrap(),
        has_updater: true,
        updater_port: 8766,
        agent_port: None,
        sans: Vec::new(),
        labels: labels.iter().map(|label| parse_label(label).unwrap()).collect(),
        pinned: Pinned { current: Some(fingerprint), next: None },
        enrolled_at: at(0),
        decommissioned_at: None,
        notes: None,
    }
}
