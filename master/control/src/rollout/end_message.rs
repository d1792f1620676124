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
