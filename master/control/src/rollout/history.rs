//! What a step of the engine means for everything beside the rollout itself: events, results, what hosts
//! should run, the rollout's state.

use engine::{Command, Event, HostOrder, HostResult, NoticeBody, Step, host_results};
use protocol::{Digest, HostName, HostOutcome};
use store::{Desired, Entry, Event as StoredEvent, HostResultRecord, RolloutId};

/// A step, as the store keeps it.
pub(super) fn entry(rollout: RolloutId, step: &Step<'_>) -> Entry {
    let over = step.state.is_over();
    let mut entry = Entry {
        time: step.time,
        // The engine's events are plain data: they always have a form.
        event: serde_json::to_value(step.event).unwrap_or_default(),
        told: Vec::new(),
        results: Vec::new(),
        desired: Vec::new(),
        quarantined: None,
        state: step.state.status().0.into_str(),
        ended: over.then(|| step.state.result()),
    };
    entry.desired.extend(refused(rollout, step));
    for command in step.commands {
        match command {
            Command::Announce(notice) => {
                entry.results.extend(notice.result().map(record));
                if let NoticeBody::ReleaseQuarantined { why } = &notice.body
                    && let (Some(release), Some(host)) = (notice.release, &notice.host)
                {
                    entry.quarantined = Some((release, host.clone(), why.clone()));
                }
                entry.told.push(StoredEvent::of_rollout(rollout, notice, step.time, who(step)));
            }
            Command::RecordSkipped(result) => entry.results.push(record(result)),
            Command::Order { host, order, again: false } => {
                entry.desired.extend(ordered(rollout, step, host, order));
            }
            Command::Order { .. }
            | Command::Observe { .. }
            | Command::Stage { .. }
            | Command::QueryOutcome { .. }
            | Command::Abandon { .. } => {}
        }
    }
    if over {
        let known = |result: &HostResult| {
            step.state.host(&result.host).is_some_and(|(_, host)| host.result.is_some())
        };
        let results = host_results(step.state);
        entry.results.extend(results.iter().filter(|result| !known(result)).map(record));
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

/// A host that did not take its order should run what it runs.
fn refused(rollout: RolloutId, step: &Step<'_>) -> Option<Desired> {
    let Event::OrderEnded { result } = step.event else { return None };
    let refused = result.outcome == HostOutcome::Failed && result.transaction.is_none();
    let runs = result.to.filter(|_| refused && result.to == result.from)?;
    Some(should_run(rollout, step, &result.host, runs))
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

fn record(result: &HostResult) -> HostResultRecord {
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
