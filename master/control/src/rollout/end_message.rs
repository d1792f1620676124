//! What is told of a rollout's end, and of a trip, beside what the engine says: enough for an operator who
//! reads nothing else.

use std::collections::BTreeMap;

use engine::{HostResult, MasterCode, NoticeBody, Step, blame, host_results};
use protocol::{HostName, HostOutcome};
use serde::Serialize;
use serde_json::Value;
use store::Event;

use crate::rollout::record::Record;

/// What ended or tripped, and what came of it.
#[derive(Serialize)]
struct Message<'a> {
    kind: protocol::Kind,
    /// The release's name and version, where it says them.
    name: Option<&'a str>,
    version: Option<&'a str>,
    selection: &'a str,
    started_by: &'a str,
    duration_ms: u64,
    /// How many hosts came to what.
    outcomes: BTreeMap<&'static str, usize>,
    /// Every host that is not as it was asked to be, and why.
    failed: Vec<FailedHost>,
    /// The command that shows more.
    look: String,
}

#[derive(Serialize)]
struct FailedHost {
    host: HostName,
    outcome: HostOutcome,
    reason: String,
}

/// Adds it to an event that tells of an end or of a trip; any other stays as it is.
pub(super) fn describe(event: Event, body: &NoticeBody, record: &Record, step: &Step<'_>) -> Event {
    match body {
        NoticeBody::Completed { .. }
        | NoticeBody::Aborted { .. }
        | NoticeBody::RolledBack
        | NoticeBody::Tripped { .. } => {
            let data = merged(event.data, &message(record, step));
            Event { data, ..event }
        }
        _ => event,
    }
}

fn message<'a>(record: &'a Record, step: &Step<'_>) -> Message<'a> {
    let results = host_results(step.state);
    let mut outcomes = BTreeMap::new();
    for result in &results {
        *outcomes.entry(result.outcome.into_str()).or_default() += 1;
    }
    let rollout = &record.rollout;
    let passed = (step.time - rollout.started_at).whole_milliseconds();
    Message {
        kind: rollout.kind,
        name: record.release.as_ref().and_then(|release| release.name.as_deref()),
        version: record.release.as_ref().and_then(|release| release.version.as_deref()),
        selection: &rollout.selection,
        started_by: &rollout.who,
        duration_ms: u64::try_from(passed).unwrap_or(0),
        outcomes,
        failed: results.into_iter().filter(is_failure).map(FailedHost::of).collect(),
        look: format!("swarm rollout show {}", rollout.id.short()),
    }
}

/// Whether a host is not as it was asked to be. One that was taken back with the whole rollout is.
fn is_failure(result: &HostResult) -> bool {
    blame(result).is_some() && result.code != Some(MasterCode::TakenBack.into())
}

impl FailedHost {
    fn of(result: HostResult) -> Self {
        Self { reason: result.reason(), host: result.host, outcome: result.outcome }
    }
}

/// The engine's own fields stay as they are.
fn merged(data: Value, message: &Message<'_>) -> Value {
    let (own, more) = (data, serde_json::to_value(message).unwrap_or_default());
    match (own, more) {
        (Value::Object(own), Value::Object(mut all)) => {
            all.extend(own);
            Value::Object(all)
        }
        (Value::Null, more) => more,
        (own, _) => own,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use serde_json::json;
    use store::{EventType, Events, KnownRelease};
    use time::OffsetDateTime;

    use super::*;
    use crate::rollout::testing::{Fleet, NEW, OLD, ends, looked, request};
    use crate::updater_client::testing::{PeerRequest, digest};

    /// What is told of a rollout of which `b-1` takes the release back, and `c-1` too.
    async fn told(failures: u32, kind: EventType) -> Value {
        let mut fleet = Fleet::new();
        for name in ["a-1", "b-1", "c-1", "d-1"] {
            let serve = move |mut call: PeerRequest| async move {
                if looked(&mut call, OLD, None).await {
                    return;
                }
                call.take_archive().await;
                call.begin_stream().await;
                let end = match name {
                    "b-1" | "c-1" => ends("rolled_back", Some("rolled_back"), OLD, OLD),
                    _ => ends("updated", None, OLD, NEW),
                };
                call.line(&end).await;
            };
            fleet.host(name, serve).await;
        }
        let release = KnownRelease {
            digest: digest(NEW),
            name: Some("agent".to_owned()),
            version: Some("2.0".to_owned()),
            sha: None,
            size: 1,
            packed_at: OffsetDateTime::UNIX_EPOCH,
        };
        fleet.store.add_release(&release).unwrap();
        let mut asked = request(fleet.archive());
        asked.policy.max_consecutive_failures = NonZeroU32::new(failures).unwrap();
        asked.policy.parallel = NonZeroU32::MIN;
        let summary = fleet.run(asked).await;
        let events = fleet.store.events(Events::Rollout(summary.rollout), 1000).unwrap();
        let of_it: Vec<_> = events.into_iter().filter(|event| event.kind == kind).collect();
        assert_eq!(of_it.len(), 1, "{of_it:?}");
        let mut data = of_it.into_iter().next().unwrap().data;
        assert_eq!(data["look"], format!("swarm rollout show {}", summary.rollout.short()));
        assert!(data["duration_ms"].is_u64(), "{data}");
        data["failed"].as_array_mut().unwrap().sort_by_key(|failed| failed["host"].to_string());
        data
    }

    fn failed(host: &str) -> Value {
        json!({"host": host, "outcome": "rolled_back", "reason": "it died"})
    }

    fn is_told(data: &Value, expected: &Value) {
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&data[key], value, "{key} in {data}");
        }
    }

    #[tokio::test]
    async fn an_end_says_what_ended_and_which_hosts_failed_and_why() {
        let data = told(9, EventType::RolloutCompleted).await;
        is_told(
            &data,
            &json!({
                "kind": "update", "name": "agent", "version": "2.0", "selection": "--all",
                "started_by": "ada", "outcomes": {"updated": 2, "rolled_back": 2},
                "failed": [failed("b-1"), failed("c-1")],
            }),
        );
    }

    #[tokio::test]
    async fn a_trip_names_every_host_that_failed() {
        let data = told(2, EventType::RolloutTripped).await;
        is_told(
            &data,
            &json!({
                "kind": "update", "name": "agent", "version": "2.0",
                "hosts": ["b-1", "c-1"], "failed": [failed("b-1"), failed("c-1")],
            }),
        );
        assert_eq!(data["outcomes"]["rolled_back"], 2, "{data}");
    }
}
