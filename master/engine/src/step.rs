//! One step: an event changes the state, and then all that follows from it by itself.
//!
//! | status | what it does by itself | until |
//! |---|---|---|
//! | planned | nothing | a driver starts |
//! | awaiting approval, paused | nothing | an operator answers, or the answer's deadline |
//! | running, preflight | observes all hosts | all were: then the first batch, or the end |
//! | running, batch | orders hosts | all of the batch have their results, and one is good |
//! | running, between batches | nothing | the delay is over |
//! | running, closing | asks hosts whose end is not known | all have answered: then the end |
//! | rolling back | takes hosts back | all were |
//! | completed, failed, unclear, aborted, rolled back | nothing | – |

use std::sync::Arc;

use protocol::{HostName, HostOutcome, Phase};
use time::OffsetDateTime;

use crate::apply_request::{Asked, apply_request};
use crate::host_ended::finish_host;
use crate::transition::{abort, leave_watched, stop_updates};
use crate::{
    Activity, Command, Event, Gate, HostActivity, HostResult, MasterCode, Notice, NoticeBody,
    Observation, Plan, State, Status, approval, batch, rollback,
};

/// Takes a rollout one event further, and says what is to be carried out.
pub fn step(mut state: State, event: Event, now: OffsetDateTime) -> (State, Vec<Command>) {
    let commands = state.apply(event, now);
    (state, commands)
}

impl State {
    /// [`step`], in place.
    pub fn apply(&mut self, event: Event, now: OffsetDateTime) -> Vec<Command> {
        let mut out = Vec::new();
        out.extend(Notice::of_step(&self.plan, &event).map(Command::Announce));
        // While no process drove the rollout, none listened: that silence is not the hosts'.
        if !matches!(event, Event::DriverStarted { .. } | Event::Requested { .. }) {
            expire_hosts(self, now, &mut out);
        }
        expire_question(self, now, &mut out);
        match event {
            Event::DriverStarted { who, epoch } => driver_started(self, who, epoch, now, &mut out),
            Event::Observed { host, observation } => observed(self, &host, observation, now),
            Event::PhaseEntered { host, phase, .. } => {
                phase_entered(self, &host, phase, now, &mut out);
            }
            Event::UpdatingSelf { host } => updating_self(self, &host, now),
            Event::OrderEnded { result } => order_ended(self, *result, now, &mut out),
            // An older master staged hosts before their turn.
            Event::Staged { .. } | Event::DeadlineReached => {}
            Event::Requested { who, request, because } => {
                let asked = Asked { who: &who, request: &request, because: because.as_deref() };
                apply_request(self, &asked, now, &mut out);
            }
        }
        while advance(self, now, &mut out) {}
        out
    }
}

/// The state that a plan and its events make.
pub fn fold(
    plan: Arc<Plan>,
    planned_at: OffsetDateTime,
    events: impl IntoIterator<Item = (OffsetDateTime, Event)>,
) -> State {
    let planned = State::new(plan, planned_at);
    events.into_iter().fold(planned, |state, (time, event)| step(state, event, time).0)
}

/// Does one thing that follows by itself; false if there is none.
fn advance(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) -> bool {
    match (&state.status, state.activity) {
        (Status::Running, Activity::Preflight) => batch::preflight(state, now, out),
        (Status::Running, Activity::Batch) => batch::update(state, now, out),
        (Status::Running, Activity::BetweenBatches(until)) => {
            batch::between_batches(state, until, now, out)
        }
        (Status::Running, Activity::Closing) => batch::close(state, now, out),
        (Status::RollingBack, _) => rollback::roll_hosts_back(state, now, out),
        _ => false,
    }
}

/// Gives up hosts that were silent for too long. A host that was not silent, and whose order has
/// taken too long, is asked once more what became of it.
fn expire_hosts(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) {
    while let Some(&(deadline, index)) = state.deadlines.first()
        && deadline <= now
    {
        let host = state.host_name(index).clone();
        out.push(Command::Abandon { host: host.clone() });
        let detail =
            format!("nothing was heard of it for too long while {}", state.hosts[index].name());
        match state.hosts[index].activity {
            HostActivity::Observing => {
                let observation =
                    Observation::Unreachable { code: MasterCode::TimedOut.into(), detail };
                observed(state, &host, observation, now);
            }
            _ if state.hosts[index].due.is_some_and(|due| due <= deadline) => {
                state.hosts[index].due = None;
                state.restart_deadline(index, now);
                let order = state.order_for(index);
                let query = |order| Command::QueryOutcome { host, order, stop: false };
                out.extend(order.map(query));
            }
            _ => {
                let from = state.plan.hosts[index].from;
                let result = HostResult { from, ..HostResult::new(&host, HostOutcome::Unclear) };
                order_ended(state, result.with_reason(MasterCode::Deadline, &detail), now, out);
            }
        }
    }
}

/// A question that no operator answered in time is answered: the rollout ends.
fn expire_question(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) {
    let answer = state.since + state.plan.policy.deadlines.answer.0;
    if state.status.awaits_operator() && answer <= now {
        let why = format!("no operator answered within {}", state.plan.policy.deadlines.answer);
        abort(state, why, now, out);
    }
}

/// A process takes the rollout up. The commands that are out are sent out again; hosts are asked
/// first whether they know the order.
fn driver_started(
    state: &mut State,
    who: String,
    epoch: u64,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    state.driver = Some((who, epoch));
    let under_way: Vec<_> = state.under_way.keys().copied().collect();
    for index in under_way {
        state.start_deadlines(index, now);
        out.extend(state.command_for(index, true));
    }
    if state.status == Status::RollingBack {
        stop_updates(state, out);
    }
    match state.status {
        Status::Planned => {
            let unchanged = state.hosts.iter().filter_map(|host| host.result.as_deref());
            out.extend(unchanged.map(Command::of_result));
            approval::reach_gate(state, Gate::Start, now, out);
        }
        Status::Running | Status::RollingBack => {
            let body = NoticeBody::Resumed { continued: false, because: None };
            out.push(Command::Announce(Notice::of(&state.plan, body)));
        }
        _ => {}
    }
}

fn observed(state: &mut State, host: &HostName, observation: Observation, now: OffsetDateTime) {
    let Some(index) = state.find_in(host, |activity| activity == HostActivity::Observing) else {
        return;
    };
    state.requeue(index, now);
    state.hosts[index].observation = Some((now, observation));
}

fn phase_entered(
    state: &mut State,
    host: &HostName,
    phase: Phase,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    let Some(index) = state.find_ordered(host) else { return };
    match &mut state.hosts[index].activity {
        HostActivity::Updating(before) | HostActivity::RollingBack(before) => *before = phase,
        _ => return,
    }
    state.hosts[index].since = now;
    state.restart_deadline(index, now);
    if state.status == Status::Aborted {
        leave_watched(state, now, out);
    }
}

fn updating_self(state: &mut State, host: &HostName, now: OffsetDateTime) {
    let Some(index) = state.find_ordered(host) else { return };
    state.hosts[index].activity = HostActivity::UpdatingSelf;
    state.hosts[index].since = now;
    state.restart_deadline(index, now);
}

fn order_ended(state: &mut State, result: HostResult, now: OffsetDateTime, out: &mut Vec<Command>) {
    let Some(&index) = state.indices.get(&result.host) else { return };
    match state.hosts[index].activity {
        HostActivity::Updating(_) | HostActivity::UpdatingSelf | HostActivity::Querying => {
            finish_host(state, index, result, now, out);
        }
        HostActivity::RollingBack(_) => rollback::finish_host(state, index, result, now, out),
        _ => {}
    }
}

impl State {
    /// The index of a host that is in such an activity. What other hosts say comes too late, and is
    /// ignored.
    fn find_in(&self, host: &HostName, fits: impl Fn(HostActivity) -> bool) -> Option<usize> {
        let index = *self.indices.get(host)?;
        fits(self.hosts[index].activity).then_some(index)
    }

    /// The index of a host whose order is followed. One whose order has taken too long is not.
    fn find_ordered(&self, host: &HostName) -> Option<usize> {
        let index = self.find_in(host, HostActivity::is_order)?;
        self.hosts[index].due.is_some().then_some(index)
    }
}
