//! One step: an event changes the state, and then all that follows from it by itself.
//!
//! | status | what it does by itself | until |
//! |---|---|---|
//! | planned | nothing | it is driven |
//! | awaiting approval, paused | nothing | somebody answers, or the answer's deadline |
//! | running, preflight | looks at all hosts | all were seen: then the first batch, or the end |
//! | running, batch | orders hosts, stages the next batch | all of the batch have their rows |
//! | running, between | stages the next batch | the delay is over |
//! | rolling back | takes hosts back | all were |
//! | completed, failed, aborted, rolled back | nothing | – |

use std::sync::Arc;

use protocol::{HostName, HostOutcome, Phase};
use time::OffsetDateTime;

use crate::{
    Blame, Command, Event, Gate, HostStatus, Notice, Observation, OnTrip, Pause, Plan, Row, Stage,
    State, Status, Trip, answer, back, batch, blame,
};

/// Takes a rollout one event further, and says what is to be carried out.
pub fn step(mut state: State, event: Event, now: OffsetDateTime) -> (State, Vec<Command>) {
    let commands = state.take(event, now);
    (state, commands)
}

impl State {
    /// [`step`], in place.
    pub fn take(&mut self, event: Event, now: OffsetDateTime) -> Vec<Command> {
        let mut out = Vec::new();
        // While nobody drove it, nobody listened: that silence is not the hosts'.
        if !matches!(event, Event::Driven { .. } | Event::Asked { .. }) {
            expire_hosts(self, now, &mut out);
        }
        expire_question(self, now, &mut out);
        match event {
            Event::Driven { who, epoch } => driven(self, who, epoch, now, &mut out),
            Event::Seen { host, seen } => was_seen(self, &host, seen, now),
            Event::Staged { host, error } => staged(self, &host, error.is_none(), now),
            Event::Phase { host, phase, .. } => entered(self, &host, phase, now),
            Event::UpdatingSelf { host } => updating_self(self, &host, now),
            Event::Ended { row } => ended(self, *row, now, &mut out),
            Event::Tick => {}
            Event::Asked { who, request } => answer::answer(self, &who, &request, now, &mut out),
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
    let planned = State::planned(plan, planned_at);
    events.into_iter().fold(planned, |state, (time, event)| step(state, event, time).0)
}

/// One thing that follows by itself; whether there was one.
fn advance(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) -> bool {
    match (&state.status, state.stage) {
        (Status::Running, Stage::Preflight) => batch::preflight(state, now, out),
        (Status::Running, Stage::Batch) => batch::update(state, now, out),
        (Status::Running, Stage::Between(until)) => batch::between(state, until, now, out),
        (Status::RollingBack, _) => back::take_back(state, now, out),
        _ => false,
    }
}

/// What was silent for too long has failed. A host that was not, and has not come to an end in all
/// its time, is asked for it.
fn expire_hosts(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) {
    while let Some(&(deadline, place)) = state.deadlines.first()
        && deadline <= now
    {
        let host = state.name(place).clone();
        out.push(Command::Abandon { host: host.clone() });
        let detail =
            format!("nothing was heard of it for too long while {}", state.hosts[place].name());
        match state.hosts[place].status {
            HostStatus::Preflight => {
                let seen = Observation::Unreachable { code: "timed_out".to_owned(), detail };
                was_seen(state, &host, seen, now);
            }
            HostStatus::Staging => staged(state, &host, false, now),
            _ if state.hosts[place].due.is_some_and(|due| due <= deadline) => {
                state.hosts[place].due = None;
                state.wait_for(place, now);
                out.extend(state.order(place).map(|order| Command::Ask { host, order }));
            }
            _ => {
                let from = state.plan.hosts[place].from;
                let row = Row { from, ..Row::new(&host, HostOutcome::Unreachable) };
                ended(state, row.because("deadline", &detail), now, out);
            }
        }
    }
}

/// A question that nobody answered for too long is answered: it ends.
fn expire_question(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) {
    let answer = state.since + state.plan.policy.deadlines.answer.0;
    if state.status.is_a_question() && answer <= now {
        let why = format!("nobody answered within {}", state.plan.policy.deadlines.answer);
        abort(state, why, now, out);
    }
}

/// A process takes the rollout up. What is under way is carried out again: by asking first.
fn driven(state: &mut State, who: String, epoch: u64, now: OffsetDateTime, out: &mut Vec<Command>) {
    let again = state.status != Status::Planned;
    state.driver = Some((who.clone(), epoch));
    let under_way: Vec<_> = state.under_way.keys().copied().collect();
    for place in under_way {
        state.listen_to(place, now);
        out.extend(state.command(place, true));
    }
    if state.status == Status::Planned {
        let untouched = state.hosts.iter().filter_map(|host| host.row.clone());
        out.extend(untouched.map(|row| Command::Tell(Notice::Host(row))));
        batch::reach_gate(state, Gate::Start, now, out);
    } else if again && matches!(state.status, Status::Running | Status::RollingBack) {
        out.push(Command::Tell(Notice::Resumed { who }));
    }
}

fn was_seen(state: &mut State, host: &HostName, seen: Observation, now: OffsetDateTime) {
    let Some(place) = state.waits_for(host, |status| status == HostStatus::Preflight) else {
        return;
    };
    state.requeue(place, now);
    state.hosts[place].seen = Some((now, seen));
}

/// A host that could not be staged is no failure: its order will tell.
fn staged(state: &mut State, host: &HostName, there: bool, now: OffsetDateTime) {
    let Some(place) = state.waits_for(host, |status| status == HostStatus::Staging) else {
        return;
    };
    state.requeue(place, now);
    state.hosts[place].staged = there;
}

fn entered(state: &mut State, host: &HostName, phase: Phase, now: OffsetDateTime) {
    let Some(place) = state.listens_to(host) else { return };
    match &mut state.hosts[place].status {
        HostStatus::Updating(before) | HostStatus::Returning(before) => *before = phase,
        _ => return,
    }
    state.hosts[place].since = now;
    state.wait_for(place, now);
}

fn updating_self(state: &mut State, host: &HostName, now: OffsetDateTime) {
    let Some(place) = state.listens_to(host) else { return };
    state.hosts[place].status = HostStatus::UpdatingSelf;
    state.hosts[place].since = now;
    state.wait_for(place, now);
}

/// A host's order came to its end: forward, or back.
fn ended(state: &mut State, row: Row, now: OffsetDateTime, out: &mut Vec<Command>) {
    let Some(&place) = state.places.get(&row.host) else { return };
    match state.hosts[place].status {
        HostStatus::Updating(_) | HostStatus::UpdatingSelf => {
            finish_host(state, place, row, now, out);
        }
        HostStatus::Returning(_) => back::taken_back(state, place, row, now, out),
        _ => {}
    }
}

/// A host came to its row, and somebody may be to blame.
pub(super) fn finish_host(
    state: &mut State,
    place: usize,
    row: Row,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    let (blamed, code) = (blame(&row), row.code.clone().unwrap_or_default());
    let (proven, host) = (row.outcome == HostOutcome::Updated, row.host.clone());
    // Where the old one was not proven either, the host, or how it is asked, may be at fault.
    if blamed == Some(Blame::Release) && row.outcome != HostOutcome::Stranded {
        state.quarantine(&row, out);
    }
    state.end(place, row, now, out);
    match blamed {
        None if proven => state.breaker.proven(),
        None | Some(Blame::Host) => {}
        Some(Blame::Unclear) => pause(state, Pause::Unclear { host, code }, now, out),
        Some(Blame::Release) => {
            let plan = &state.plan;
            let canary = plan.batches.get(state.batch).is_some_and(|batch| batch.canary);
            if let Some(trip) = state.breaker.failed(place, canary, plan) {
                trip_over(state, trip, now, out);
            }
        }
    }
}

/// The breaker tripped. Where nothing is left to start there is nothing to ask, either.
fn trip_over(state: &mut State, trip: Trip, now: OffsetDateTime, out: &mut Vec<Command>) {
    let before = matches!(state.status, Status::Paused(Pause::Tripped(_)));
    if before || !matches!(state.status, Status::Running | Status::Paused(_)) {
        return;
    }
    out.push(Command::Tell(Notice::Tripped { trip, hosts: state.failed() }));
    match state.plan.policy.on_trip {
        OnTrip::Pause => pause(state, Pause::Tripped(trip), now, out),
        OnTrip::Rollback => back::begin(state, None, now, out),
        OnTrip::Abort => abort(state, trip.to_string(), now, out),
    }
}

/// Starts no host any more, until somebody answers.
pub(super) fn pause(state: &mut State, why: Pause, now: OffsetDateTime, out: &mut Vec<Command>) {
    // A question of more weight takes the place of one of less.
    let asks = match &state.status {
        Status::Running => true,
        Status::Paused(before) => why.asks_how() && !before.asks_how(),
        _ => false,
    };
    if asks && state.hosts_remain() {
        out.push(Command::Tell(Notice::Paused { pause: why.clone() }));
        state.enter(Status::Paused(why), now);
    }
}

/// Leaves everything as it is.
pub(super) fn abort(state: &mut State, why: String, now: OffsetDateTime, out: &mut Vec<Command>) {
    out.push(Command::Tell(Notice::Aborted { why: why.clone() }));
    state.because = Some(why);
    state.enter(Status::Aborted, now);
}

impl State {
    /// The place of a host from which an answer of this kind is waited for. Answers of others come
    /// too late, and are not taken.
    fn waits_for(&self, host: &HostName, fits: impl Fn(HostStatus) -> bool) -> Option<usize> {
        let place = *self.places.get(host)?;
        fits(self.hosts[place].status).then_some(place)
    }

    /// The place of a host whose order is followed. One that has been asked for its end is not.
    fn listens_to(&self, host: &HostName) -> Option<usize> {
        let place = self.waits_for(host, HostStatus::is_ordered)?;
        self.hosts[place].due.is_some().then_some(place)
    }
}
