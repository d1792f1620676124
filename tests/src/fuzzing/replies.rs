//! What a master hears from a host, and a host from a master.

use std::fmt::Debug;
use std::sync::Arc;

use control::updater_client::{Answer, Hearing, LineBuffer, Listener};
use protocol::{
    Event, Health, LastTransaction, Problem, ReleaseRecord, Releases, RollbackOrder,
    TransactionResult, UpdateOrder, parse_content_digest,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// Every body of the API, and what is stored in the same form.
pub(super) fn api(data: &[u8]) {
    comes_back::<Health>(data);
    comes_back::<Releases>(data);
    comes_back::<Problem>(data);
    comes_back::<TransactionResult>(data);
    comes_back::<Event>(data);
    comes_back::<UpdateOrder>(data);
    comes_back::<RollbackOrder>(data);
    comes_back::<LastTransaction>(data);
    comes_back::<ReleaseRecord>(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = parse_content_digest(text);
    }
}

/// The stream that answers an order, in pieces, up to its result.
pub(super) fn events(data: &[u8]) {
    let _ = result_of(data);
}

pub(super) fn bodies() -> Vec<Vec<u8>> {
    let transaction = "01a20f5d-a94e-722d-a4dd-7aa239ca6e65";
    let digest = format!("sha256:{}", "ab".repeat(32));
    let time = "2026-01-02T03:04:05Z";
    let last = json!({
        "format": 1, "transaction": transaction, "kind": "update", "outcome": "rolled_back",
        "code": "rolled_back", "detail": "why", "from": digest, "to": null, "target": digest,
        "started_at": time, "ended_at": time, "epoch": 7, "order": "a", "caller": "master",
    });
    let result = json!({
        "status": "updated", "code": null, "transaction": transaction,
        "release": {"slot": "active", "sha": null, "digest": digest, "path": "/opt/agent"},
        "from": null, "to": digest, "probe": null, "duration_ms": 12,
    });
    let values = [
        json!({
            "format": 1, "status": "ok", "host": "web-1", "version": "0.1.0", "digest": digest,
            "uptime_seconds": 5, "epoch": 7, "apps": {"agent": {
                "state": "idle", "since": time, "healthy": true, "agent": "running", "pid": 9,
                "active": {"digest": digest, "version": "1", "path": "/opt"}, "last": last,
            }},
        }),
        json!({"format": 1, "apps": {"agent": {"active": digest, "prev": null, "releases": [{
            "digest": digest, "state": "proven", "installed_at": time, "quarantined": false,
            "path": "/opt",
        }]}}}),
        json!({
            "type": "about:blank", "title": "t", "status": 422, "detail": "d",
            "code": "archive_rejected", "entry": "../x", "rule": "path_parent",
        }),
        json!({"digest": digest, "force": true, "watch": "5s"}),
        last,
        result,
    ];
    values.iter().map(|value| value.to_string().into_bytes()).collect()
}

pub(super) fn streams() -> Vec<Vec<u8>> {
    let event = "{\"id\":1,\"time\":\"2026-01-02T03:04:05Z\",\"app\":\"agent\",\
        \"type\":\"phase\",\"phase\":\"building\",\"kind\":\"update\"}\n";
    let result = "{\"type\":\"result\",\"status\":\"failed\",\"code\":\"build_failed\",\
        \"problem\":{\"detail\":\"why\",\"output\":[\"a\",7,null]}}";
    vec![[event, "\r\n\n", event, result].concat().into_bytes(), result.as_bytes().to_vec()]
}

fn result_of(data: &[u8]) -> Option<Answer> {
    let mut received = LineBuffer::default();
    let (mut transaction, mut ended) = (None, false);
    let listener: Listener = Arc::new(|_| {});
    let mut hearing = Hearing::new(&listener, &mut transaction);
    let mut pieces = data.chunks(61);
    loop {
        if let Some(line) = received.take().ok()? {
            assert!(!line.contains(&b'\n'), "two lines in one");
            if let Some(answer) = hearing.line(&line).ok()? {
                return Some(answer);
            }
            continue;
        }
        match pieces.next() {
            Some(piece) => received.push(piece),
            None if ended => return None,
            None => {
                received.end();
                ended = true;
            }
        }
    }
}

/// What is read can be written, and is then read as the same.
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(data) else { return };
    match serde_json::to_vec(&value).map(|text| serde_json::from_slice::<T>(&text)) {
        Ok(Ok(again)) => assert_eq!(again, value),
        other => panic!("{value:?} becomes {other:?}"),
    }
}
