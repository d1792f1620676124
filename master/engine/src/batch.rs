//! Going forward: the observation of all hosts, the batches, and what lies between them.

use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use crate::approval::reach_gate;
use crate::host_check::{HostCheck, check_host};
use crate::host_ended::finish_host;
use crate::state::FIRST_PHASE;
use crate::summary::{end_of, is_success, of_whom_nothing_is_known};
use crate::{
    Action, Activity, Command, Gate, HostActivity, HostResult, MasterCode, Notice, NoticeBody,
    State, Status,
};

/// How long an observation is good for, if no operator has answered since.
const OBSERVATION_LIFETIME: Duration = Duration::seconds(5);
/// How many hosts are observed at once, before the start: nothing is sent to them.
const OBSERVATIONS_AT_ONCE: usize = 64;

/// Observes all hosts before the first is touched, those too that the plan found current: a plan may be
/// carried out long after it was made. A host that is to be changed and is not well ends the rollout.
/// Like its neighbours, it says whether it came to its end.
pub(super) fn preflight(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) -> bool {
    let (changed, all) = (state.batches.hosts(), state.hosts.len());
    while state.next_host < all && state.under_way.len() < OBSERVATIONS_AT_ONCE {
        let index = state.next_host;
        let awaited = state.hosts[index].activity == HostActivity::Pending;
        if awaited && !is_fresh(state, index, now) {
            state.dispatch(index, HostActivity::Observing, now, out);
        }
        state.next_host += 1;
    }
    if state.next_host < all || !state.under_way.is_empty() {
        return false;
    }
    for index in changed..all {
        if state.plan.hosts[index].action == Action::AlreadyCurrent {
            let result = result_of_current(state, index);
            state.record_result(index, result, now, out);
        }
    }
    let unhealthy: Vec<_> =
        (0..changed).filter_map(|index| Some((index, unhealthy_result(state, index)?))).collect();
    if unhealthy.is_empty() {
        begin_batch(state, 0, now, out);
    } else {
        for (index, result) in unhealthy {
            state.record_result(index, result, now, out);
        }
        finish(state, now, out);
    }
    true
}

/// Orders the hosts of the batch, as many at once as the policy allows. Nothing is sent to a host
/// before its turn: one that the rollout never reaches stays as it is.
pub(super) fn update(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) -> bool {
    while state.status == Status::Running && state.is_below_parallel_limit() {
        let ready = |index: &&usize| state.hosts[**index].activity == HostActivity::Pending;
        let Some(index) = state.waiting.iter().find(ready).copied() else { break };
        start_host(state, index, now, out);
    }
    if state.status != Status::Running {
        return true;
    }
    let hosts = state.batches.hosts_of(state.batch);
    if !state.waiting.is_empty() || state.under_way.range(hosts).next().is_some() {
        return false;
    }
    complete_batch(state, now, out);
    true
}

/// Begins the next batch once the delay is over.
pub(super) fn between_batches(
    state: &mut State,
    until: OffsetDateTime,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) -> bool {
    if now < until {
        return false;
    }
    match state.next_batch() {
        Some(next) => begin_batch(state, next, now, out),
        None => finish(state, now, out),
    }
    true
}

/// Waits for the answers of the hosts that were asked for their end, and ends the rollout.
pub(super) fn close(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) -> bool {
    let answered = state.under_way.is_empty();
    if answered {
        finish(state, now, out);
    }
    answered
}

fn begin_batch(state: &mut State, batch: usize, now: OffsetDateTime, out: &mut Vec<Command>) {
    let plan = Arc::clone(&state.plan);
    let Some(planned) = plan.batches.get(batch) else { return finish(state, now, out) };
    let hosts = state.batches.hosts_of(batch);
    state.batch = batch;
    state.activity = Activity::Batch;
    state.needs_proof = true;
    state.waiting = hosts.filter(|&index| state.hosts[index].result.is_none()).collect();
    out.push(Command::Announce(Notice::batch_started(&plan, batch + 1, *planned)));
}

/// A batch is through when a host of it took the release well. Hosts that could not try it, or on which
/// it failed, open no gate: the next one takes their place, one at a time.
fn complete_batch(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) {
    if state.needs_proof && !is_batch_proven(state) {
        let Some(index) = state.batches.take_next(state.batch) else {
            return finish(state, now, out);
        };
        state.waiting.insert(index);
        out.push(Command::Announce(Notice::batch_extended(&state.plan, state.batch + 1)));
        return;
    }
    out.push(Command::Announce(Notice::batch_completed(&state.plan, state.batch + 1)));
    match state.next_batch() {
        None => finish(state, now, out),
        Some(next) => {
            state.activity = Activity::BetweenBatches(now + state.plan.policy.delay.0);
            reach_gate(state, Gate::Batch(next + 1), now, out);
        }
    }
}

fn is_batch_proven(state: &State) -> bool {
    let proven = |index: usize| {
        let result = state.hosts[index].result.as_ref();
        result.is_some_and(|result| is_success(state.plan.kind, result.outcome))
    };
    state.batches.hosts_of(state.batch).any(proven)
}

/// Ends the rollout, after hosts of which it is not known what became of their order were asked once
/// more.
fn finish(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) {
    if state.ask_unclear(false, now, out) {
        state.activity = Activity::Closing;
        return;
    }
    let status = end_of(state);
    if status == Status::Unclear {
        state.reason = Some(of_whom_nothing_is_known(state));
    }
    state.enter(status, now);
    let body = NoticeBody::Completed { result: state.result() };
    out.push(Command::Announce(Notice::of(&state.plan, body)));
}

/// A host's turn has come: a fresh observation decides whether it is ordered.
fn start_host(state: &mut State, index: usize, now: OffsetDateTime, out: &mut Vec<Command>) {
    state.waiting.remove(&index);
    let fresh = is_fresh(state, index, now);
    let observation = state.hosts[index].observation.as_ref().filter(|_| fresh);
    let Some((_, observation)) = observation else {
        return state.dispatch(index, HostActivity::Observing, now, out);
    };
    match check_host(&state.plan, &state.plan.hosts[index], observation) {
        HostCheck::Ready => {
            state.dispatch(index, HostActivity::Updating(FIRST_PHASE), now, out);
        }
        HostCheck::NotOrdered(result) | HostCheck::Unhealthy(result) => {
            finish_host(state, index, result, now, out);
        }
    }
}

fn is_fresh(state: &State, index: usize, now: OffsetDateTime) -> bool {
    state.hosts[index].observation.as_ref().is_some_and(|(time, _)| {
        *time >= state.observations_since && now - *time <= OBSERVATION_LIFETIME
    })
}

fn unhealthy_result(state: &State, index: usize) -> Option<HostResult> {
    let (_, observation) = state.hosts[index].observation.as_ref()?;
    match check_host(&state.plan, &state.plan.hosts[index], observation) {
        HostCheck::Unhealthy(result) => Some(result),
        HostCheck::Ready | HostCheck::NotOrdered(_) => None,
    }
}

/// The result of a host that ran the release already when the plan was made, by what it runs now.
fn result_of_current(state: &State, index: usize) -> HostResult {
    let planned = &state.plan.hosts[index];
    let observed = state.hosts[index].observation.as_ref();
    let check = observed.map(|(_, observation)| check_host(&state.plan, planned, observation));
    match check {
        Some(HostCheck::NotOrdered(result) | HostCheck::Unhealthy(result)) => result,
        Some(HostCheck::Ready) | None => HostResult {
            from: planned.from,
            to: planned.from,
            ..HostResult::new(&planned.host, protocol::HostOutcome::Failed)
        }
        .with_reason(MasterCode::Unhealthy, "it has the release, and is not well"),
    }
}
