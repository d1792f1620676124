//! What a step of the engine means for everybody else: events, rows, wishes, the rollout's state.

use engine::{Command, Event, HostOrder, Notice, Request, Row, State, Status, Step, rows};
use protocol::{Digest, HostName, HostOutcome, Phase};
use serde_json::{Value, json};
use store::{
    Desired, Entry, Event as StoredEvent, EventType, HostResult, RolloutId, RolloutResult,
};

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
        state: step.state.status().0.name(),
        ended: over.then(|| result(step.state)),
    };
    let teller = Teller { rollout, step };
    entry.told.extend(teller.phase());
    entry.desired.extend(teller.refused());
    for command in step.commands {
        match command {
            Command::Tell(notice) => {
                if let Notice::Host(row) = notice {
                    entry.results.push(stored(row));
                }
                entry.told.extend(teller.notice(notice));
            }
            Command::Quarantine { release, host, why } => {
                entry.quarantined = Some((*release, host.clone(), why.clone()));
                entry.told.push(teller.quarantine(*release, host, why));
            }
            Command::Order { host, order, again: false } => {
                entry.desired.extend(teller.desired(host, order));
            }
            Command::Order { .. }
            | Command::Look { .. }
            | Command::Stage { .. }
            | Command::Ask { .. }
            | Command::Abandon { .. } => {}
        }
    }
    if over {
        let known =
            |row: &Row| step.state.host(&row.host).is_some_and(|(_, host)| host.row.is_some());
        entry.results.extend(rows(step.state).iter().filter(|row| !known(row)).map(stored));
    }
    entry
}

/// How a rollout stands that rests, or is left.
pub(super) fn result(state: &State) -> RolloutResult {
    match state.status().0 {
        Status::Completed => RolloutResult::Completed,
        Status::Failed => RolloutResult::Failed,
        Status::Aborted => RolloutResult::Aborted,
        Status::RolledBack => RolloutResult::RolledBack,
        Status::AwaitingApproval(_) => RolloutResult::AwaitingApproval,
        Status::Paused(engine::Pause::Interrupted)
        | Status::Planned
        | Status::Running
        | Status::RollingBack => RolloutResult::Interrupted,
        Status::Paused(_) => RolloutResult::Paused,
    }
}

/// Makes events of the history.
struct Teller<'a> {
    rollout: RolloutId,
    step: &'a Step<'a>,
}

impl Teller<'_> {
    fn event(&self, kind: EventType, data: Value) -> StoredEvent {
        let who = match self.step.event {
            Event::Asked { who, .. } => who,
            _ => self.step.state.driver(),
        };
        StoredEvent {
            rollout: Some(self.rollout),
            release: self.step.state.plan().target,
            data,
            ..StoredEvent::new(kind, self.step.time, who)
        }
    }

    fn phase(&self) -> Option<StoredEvent> {
        let (host, data) = match self.step.event {
            Event::Phase { host, phase, detail } if *phase != Phase::Idle => {
                (host, json!({"phase": phase, "detail": detail}))
            }
            Event::UpdatingSelf { host } => (host, json!({"phase": "updating_self"})),
            _ => return None,
        };
        Some(StoredEvent { host: Some(host.clone()), ..self.event(EventType::HostPhase, data) })
    }

    fn notice(&self, notice: &Notice) -> Option<StoredEvent> {
        let plan = self.step.state.plan();
        let (kind, data) = match notice {
            Notice::AwaitsApproval { gate } => {
                let data = json!({"waits_for": "approval", "gate": gate, "plan": plan.digest()});
                (EventType::RolloutPaused, data)
            }
            Notice::Approved { gate, .. } => {
                (EventType::RolloutApproved, json!({"gate": gate, "plan": plan.digest()}))
            }
            Notice::Started => {
                let (kind, hosts) = (plan.kind, plan.hosts.len());
                let data = json!({
                    "kind": kind, "selection": plan.selection, "hosts": hosts,
                    "changes": plan.changes(), "batches": plan.batches, "plan": plan.digest(),
                });
                (EventType::RolloutStarted, data)
            }
            Notice::BatchStarted { batch } => {
                let of = plan.batches.get(batch - 1);
                let data = json!({
                    "batch": batch, "of": plan.batches.len(),
                    "hosts": of.map(|batch| batch.hosts), "canary": of.map(|batch| batch.canary),
                });
                (EventType::RolloutBatchStarted, data)
            }
            Notice::BatchCompleted { batch } => {
                let data = json!({"batch": batch, "of": plan.batches.len()});
                (EventType::RolloutBatchCompleted, data)
            }
            Notice::Tripped { trip, hosts } => {
                let data = json!({
                    "why": trip.to_string(), "trip": trip, "hosts": hosts,
                    "then": plan.policy.on_trip,
                });
                (EventType::RolloutTripped, data)
            }
            Notice::Paused { pause } => {
                let data = json!({"waits_for": "answer", "why": pause.to_string()});
                (EventType::RolloutPaused, data)
            }
            Notice::Resumed { .. } => {
                let continued =
                    matches!(self.step.event, Event::Asked { request: Request::Continue, .. });
                (EventType::RolloutResumed, json!({"continued": continued}))
            }
            Notice::RollingBack { .. } => (EventType::RolloutRollingBack, Value::Null),
            Notice::Host(row) => return self.host(row),
            Notice::Ended => {
                (EventType::RolloutCompleted, json!({"result": result(self.step.state)}))
            }
            Notice::Aborted { why } => (EventType::RolloutAborted, json!({"why": why})),
            Notice::RolledBack => (EventType::RolloutRolledBack, Value::Null),
        };
        Some(self.event(kind, data))
    }

    fn host(&self, row: &Row) -> Option<StoredEvent> {
        let kind = match row.outcome {
            HostOutcome::Updated | HostOutcome::AlreadyCurrent => EventType::HostUpdated,
            HostOutcome::RolledBack => EventType::HostRolledBack,
            HostOutcome::Failed | HostOutcome::Unreachable | HostOutcome::Stranded => {
                EventType::HostFailed
            }
            HostOutcome::Skipped => return None,
        };
        let event = self.event(kind, serde_json::to_value(row).unwrap_or_default());
        Some(StoredEvent { host: Some(row.host.clone()), release: row.to, ..event })
    }

    fn quarantine(&self, release: Digest, host: &HostName, why: &str) -> StoredEvent {
        let event = self.event(EventType::ReleaseQuarantined, json!({"why": why}));
        StoredEvent { host: Some(host.clone()), release: Some(release), ..event }
    }

    /// A host that did not take its order should run what it runs.
    fn refused(&self) -> Option<Desired> {
        let Event::Ended { row } = self.step.event else { return None };
        let refused = row.outcome == HostOutcome::Failed && row.transaction.is_none();
        let runs = row.to.filter(|_| refused && row.to == row.from)?;
        Some(self.should_run(&row.host, runs))
    }

    fn desired(&self, host: &HostName, order: &HostOrder) -> Option<Desired> {
        let digest = match order {
            HostOrder::Forward { to, .. } => (*to)?,
            HostOrder::Back { to } => *to,
        };
        Some(self.should_run(host, digest))
    }

    fn should_run(&self, host: &HostName, digest: Digest) -> Desired {
        Desired {
            host: host.clone(),
            app: self.step.state.plan().app.clone(),
            digest,
            rollout: Some(self.rollout),
            since: self.step.time,
        }
    }
}

fn stored(row: &Row) -> HostResult {
    HostResult {
        host: row.host.clone(),
        outcome: row.outcome,
        code: row.code.clone(),
        detail: row.detail.clone(),
        from: row.from,
        to: row.to,
        transaction: row.transaction.clone(),
        duration_ms: Some(row.duration_ms),
    }
}
