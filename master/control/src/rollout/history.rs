//! What a step of the engine means for everything beside the rollout itself: events, results, the
//! rollout's state, and (in [`asked_for`]) what hosts should run.

use engine::{Command, Event, HostResult, NoticeBody, QuarantineScope, Step, host_results};
use store::{Entry, Event as StoredEvent, HostResultRecord};

use crate::rollout::asked_for::asked_for;
use crate::rollout::end_message::describe;
use crate::rollout::record::Record;

/// A step, as the store keeps it.
pub(super) fn entry(record: &Record, step: &Step<'_>) -> Entry {
    let rollout = record.rollout.id;
    let over = step.state.is_over();
    let mut entry = Entry {
        time: step.time,
        // The engine's events are plain data: they always have a form.
        event: serde_json::to_value(step.event).unwrap_or_default(),
        told: Vec::new(),
        results: Vec::new(),
        desired: asked_for(rollout, step),
        quarantined: None,
        forgiven: None,
        state: step.state.status().0.into_str(),
        ended: over.then(|| step.state.result()),
    };
    for command in step.commands {
        match command {
            Command::Announce(notice) => {
                entry.results.extend(notice.result().map(host_record));
                match &notice.body {
                    NoticeBody::ReleaseQuarantined {
                        why, holds: QuarantineScope::Fleet, ..
                    } => {
                        let failed = notice.release.zip(notice.host.clone());
                        entry.quarantined =
                            failed.map(|(release, host)| (release, host, why.clone()));
                    }
                    NoticeBody::ReleaseForgiven { .. } => entry.forgiven = notice.release,
                    _ => {}
                }
                let told = StoredEvent::of_rollout(rollout, notice, step.time, who(step));
                entry.told.push(describe(told, &notice.body, record, step));
            }
            Command::RecordSkipped(result) => entry.results.push(host_record(result)),
            Command::Order { .. }
            | Command::Observe { .. }
            | Command::Stop { .. }
            | Command::QueryOutcome { .. }
            | Command::Abandon { .. } => {}
        }
    }
    if over {
        let known = |result: &HostResult| {
            step.state.host(&result.host).is_some_and(|(_, host)| host.result.is_some())
        };
        let results = host_results(step.state);
        entry.results.extend(results.iter().filter(|result| !known(result)).map(host_record));
    }
    entry
}

/// Who asked for the step, or else drives the rollout.
fn who<'a>(step: &Step<'a>) -> &'a str {
    match step.event {
        Event::Requested { who, .. } => who,
        _ => step.state.driver(),
    }
}

fn host_record(result: &HostResult) -> HostResultRecord {
    HostResultRecord {
        host: result.host.clone(),
        outcome: result.outcome,
        code: result.code.clone().map(String::from),
        detail: result.detail.clone(),
        from: result.from,
        to: result.to,
        target: result.target,
        needed: result.needed,
        free: result.free,
        transaction: result.transaction.clone(),
        duration_ms: Some(result.duration_ms),
    }
}
