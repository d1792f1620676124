//! Going forward: the look at all hosts, the batches, and what lies between them.

use protocol::HostOutcome;
use time::{Duration, OffsetDateTime};

use crate::gate::{Verdict, judge};
use crate::state::FIRST_PHASE;
use crate::step::finish_host;
use crate::{Approve, Command, Gate, HostStatus, Notice, Row, Stage, State, Status, rows};

/// How long a look at a host is good for, if nobody was waited for since.
const FRESH: Duration = Duration::seconds(5);
/// How many hosts are looked at at once, before the start: nothing is sent to them.
const LOOKS_AT_ONCE: usize = 64;

/// Comes to a gate: somebody has to agree, or it goes on.
pub(super) fn reach_gate(
    state: &mut State,
    gate: Gate,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    let after_canary = match gate {
        Gate::Start => false,
        Gate::Batch(number) => number == 2 && state.plan.batches.first().is_some_and(|b| b.canary),
    };
    let asks = match (state.plan.policy.approve, gate) {
        (Approve::Never, _) => false,
        (Approve::Start, gate) => gate == Gate::Start,
        (Approve::Canary, _) => after_canary,
        (Approve::Batch, _) => true,
    };
    if asks && state.division.hosts() > 0 {
        out.push(Command::Tell(Notice::AwaitsApproval { gate }));
        state.enter(Status::AwaitingApproval(gate), now);
    } else {
        pass_gate(state, gate, now, out);
    }
}

/// Goes through a gate.
pub(super) fn pass_gate(
    state: &mut State,
    gate: Gate,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    if gate == Gate::Start {
        out.push(Command::Tell(Notice::Started));
    }
    state.enter(Status::Running, now);
}

/// All hosts are looked at before the first is touched; one that is not well stops it.
pub(super) fn preflight(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) -> bool {
    let changes = state.division.hosts();
    while state.next < changes && state.under_way.len() < LOOKS_AT_ONCE {
        if !is_fresh(state, state.next, now) {
            look(state, state.next, now, out);
        }
        state.next += 1;
    }
    if state.next < changes || !state.under_way.is_empty() {
        return false;
    }
    let unwell: Vec<_> = (0..changes).filter_map(|place| unwell(state, place)).collect();
    if unwell.is_empty() {
        begin(state, 0, now, out);
    } else {
        for (place, row) in unwell {
            state.end(place, row, now, out);
        }
        finish(state, now, out);
    }
    true
}

/// Orders the hosts of the batch, as many at once as may be; then stages those of the next one.
pub(super) fn update(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) -> bool {
    while state.status == Status::Running && state.has_a_free_place() {
        let ready = |place: &&usize| state.hosts[**place].status == HostStatus::Pending;
        let Some(place) = state.waiting.iter().find(ready).copied() else { break };
        start(state, place, now, out);
    }
    if state.status != Status::Running {
        return true;
    }
    let hosts = state.division.hosts_of(state.batch);
    if !state.waiting.is_empty() || state.under_way.range(hosts).next().is_some() {
        if state.waiting.is_empty() {
            stage_ahead(state, now, out);
        }
        return false;
    }
    complete(state, now, out);
    true
}

/// The delay after a batch, and whatever somebody has to say to it.
pub(super) fn between(
    state: &mut State,
    until: OffsetDateTime,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) -> bool {
    if now < until {
        stage_ahead(state, now, out);
        return false;
    }
    begin(state, state.batch + 1, now, out);
    true
}

fn begin(state: &mut State, batch: usize, now: OffsetDateTime, out: &mut Vec<Command>) {
    let Some(_) = state.plan.batches.get(batch) else { return finish(state, now, out) };
    let hosts = state.division.hosts_of(batch);
    state.batch = batch;
    state.stage = Stage::Batch;
    state.next = hosts.end;
    state.waiting = hosts.filter(|&place| state.hosts[place].row.is_none()).collect();
    out.push(Command::Tell(Notice::BatchStarted { batch: batch + 1 }));
}

fn complete(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) {
    let number = state.batch + 1;
    out.push(Command::Tell(Notice::BatchCompleted { batch: number }));
    if number == state.plan.batches.len() {
        return finish(state, now, out);
    }
    state.stage = Stage::Between(now + state.plan.policy.delay.0);
    reach_gate(state, Gate::Batch(number + 1), now, out);
}

fn finish(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) {
    let status = if rows::are_as_asked(state) { Status::Completed } else { Status::Failed };
    state.enter(status, now);
    out.push(Command::Tell(Notice::Ended));
}

/// A host's turn has come: it is judged by a fresh look at it.
fn start(state: &mut State, place: usize, now: OffsetDateTime, out: &mut Vec<Command>) {
    state.waiting.remove(&place);
    let seen = state.hosts[place].seen.as_ref().filter(|_| is_fresh(state, place, now));
    let Some((_, seen)) = seen else { return look(state, place, now, out) };
    match judge(&state.plan, &state.plan.hosts[place], seen) {
        Verdict::Go => {
            state.begin(place, HostStatus::Updating(FIRST_PHASE), now);
            out.extend(state.command(place, false));
        }
        Verdict::Done(row) | Verdict::Unwell(row) => finish_host(state, place, row, now, out),
    }
}

fn look(state: &mut State, place: usize, now: OffsetDateTime, out: &mut Vec<Command>) {
    state.begin(place, HostStatus::Preflight, now);
    out.extend(state.command(place, false));
}

fn is_fresh(state: &State, place: usize, now: OffsetDateTime) -> bool {
    let fresh = |time: OffsetDateTime| time >= state.trusted && now - time <= FRESH;
    state.hosts[place].seen.as_ref().is_some_and(|(time, _)| fresh(*time))
}

fn unwell(state: &State, place: usize) -> Option<(usize, Row)> {
    let (_, seen) = state.hosts[place].seen.as_ref()?;
    match judge(&state.plan, &state.plan.hosts[place], seen) {
        Verdict::Unwell(row) => Some((place, row)),
        Verdict::Go | Verdict::Done(_) => None,
    }
}

/// The bytes go out while there is nothing else to do. A host that refuses them keeps its turn.
fn stage_ahead(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) {
    let next_batch = state.division.hosts_of(state.batch + 1);
    while state.plan.archive && next_batch.contains(&state.next) && state.has_a_free_place() {
        let place = state.next;
        state.next += 1;
        let host = &state.hosts[place];
        if host.status == HostStatus::Pending && state.plan.hosts[place].bytes > 0 {
            state.begin(place, HostStatus::Staging, now);
            out.extend(state.command(place, false));
        }
    }
}

/// The row of a host that was left out since the rollout ended, or waits, before its turn; or in the
/// middle of it, where nobody can say yet what it comes to.
pub(super) fn left_out(state: &State, place: usize) -> Row {
    let planned = &state.plan.hosts[place];
    if let Some(stage) = state.hosts[place].status.under_way() {
        let row = Row::new(&planned.host, HostOutcome::Unreachable);
        let row = Row { from: planned.from, ..row };
        return row.because("interrupted", &format!("left while {stage}: it goes on there"));
    }
    let row = Row::new(&planned.host, HostOutcome::Skipped);
    let row = Row { from: planned.from, to: planned.from, ..row };
    match &state.status {
        Status::Aborted => row.because("aborted", "the rollout was aborted before its turn"),
        Status::RollingBack | Status::RolledBack => {
            row.because("rolled_back", "the rollout was rolled back before its turn")
        }
        Status::Completed | Status::Failed => {
            row.because("not_started", "another host was not well, so no host was touched")
        }
        Status::AwaitingApproval(gate) => {
            row.because("awaiting_approval", &format!("somebody has to approve {gate}"))
        }
        Status::Paused(why) if !why.asks_how() => {
            row.because("interrupted", "the rollout was stopped before its turn")
        }
        Status::Paused(why) => row.because("paused", &format!("the rollout is paused: {why}")),
        Status::Planned | Status::Running => {
            row.because("interrupted", "the rollout was left before its turn")
        }
    }
}
