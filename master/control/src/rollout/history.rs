//! What a step of the engine means for everything beside the rollout itself: events, results, what hosts
//! should run, the rollout's state.

use engine::{
    Action, Command, Event, HostOrder, HostResult, HostState, NoticeBody, PlannedHost,
    QuarantineScope, ResultCode, Status, Step, host_results,
};
use protocol::{Code, Digest, HostName, Kind};
use store::{Desired, Entry, Event as StoredEvent, HostResultRecord, RolloutId};

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
        desired: Vec::new(),
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
            Command::Order { host, order, again: false } => {
                entry.desired.extend(ordered(rollout, step, host, order));
            }
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
        let left = step.state.hosts().filter_map(|(planned, host)| {
            let digest = left_with(step, planned, host)?;
            Some(should_run(rollout, step, &planned.host, digest))
        });
        entry.desired.extend(left);
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

/// What a host should run once the rollout is over. That is what was asked for, also of a host that was
/// down, refused, or was not reached; and what it was left with, where an operator ended the rollout or
/// had it taken back.
fn left_with(step: &Step<'_>, planned: &PlannedHost, host: &HostState) -> Option<Digest> {
    let unknown_app = ResultCode::from(Code::UnknownApp);
    let refused = planned.action == Action::Refuse;
    // A host cannot be asked to go back to what it does not have, or what failed there.
    let back = refused && step.state.plan().kind == Kind::Rollback;
    let unknown = refused && planned.code.as_ref() == Some(&unknown_app);
    if planned.action == Action::Skip || back || unknown {
        return None;
    }
    if step.state.is_taken_back() {
        return planned.from;
    }
    match (step.state.status().0, &host.result) {
        (Status::Aborted, Some(result)) => result.to,
        (Status::Aborted, None) => planned.from,
        _ => planned.to,
    }
}

/// A host should run what it is ordered to.
fn ordered(
    rollout: RolloutId,
    step: &Step<'_>,
    host: &HostName,
    order: &HostOrder,
) -> Option<Desired> {
    let digest = match order {
        HostOrder::Forward { to, .. } => (*to)?,
        HostOrder::Back { to } => *to,
    };
    Some(should_run(rollout, step, host, digest))
}

fn should_run(rollout: RolloutId, step: &Step<'_>, host: &HostName, digest: Digest) -> Desired {
    Desired {
        host: host.clone(),
        app: step.state.plan().app.clone(),
        digest,
        rollout: Some(rollout),
        since: step.time,
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
        transaction: result.transaction.clone(),
        duration_ms: Some(result.duration_ms),
    }
}
