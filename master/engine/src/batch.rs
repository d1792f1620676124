//! Going forward: the observation of all hosts, the batches, and what lies between them.

use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use crate::approval::reach_gate;
use crate::host_check::{HostCheck, check_host};
use crate::host_ended::finish_host;
use crate::state::FIRST_PHASE;
use crate::summary::all_as_requested;
use crate::{Activity, Command, Gate, HostActivity, HostResult, Notice, NoticeBody, State, Status};

/// How long an observation is good for, if no operator has answered since.
const OBSERVATION_LIFETIME: Duration = Duration::seconds(5);
/// How many hosts are observed at once, before the start: nothing is sent to them.
const OBSERVATIONS_AT_ONCE: usize = 64;

/// Observes all hosts before the first is touched. One that is not well ends the rollout. Like its
/// neighbours, it says whether it came to its end.
pub(super) fn preflight(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) -> bool {
    let changed = state.batches.hosts();
    while state.next_host < changed && state.under_way.len() < OBSERVATIONS_AT_ONCE {
        if !is_fresh(state, state.next_host, now) {
            state.dispatch(state.next_host, HostActivity::Observing, now, out);
        }
        state.next_host += 1;
    }
    if state.next_host < changed || !state.under_way.is_empty() {
        return false;
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

/// Orders the hosts of the batch, as many at once as the policy allows; then stages those of the
/// next one.
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
        if state.waiting.is_empty() {
            stage_ahead(state, now, out);
        }
        return false;
    }
    complete_batch(state, now, out);
    true
}

/// Stages hosts of the next batch until the delay is over, and then begins it.
pub(super) fn between_batches(
    state: &mut State,
    until: OffsetDateTime,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) -> bool {
    if now < until {
        stage_ahead(state, now, out);
        return false;
    }
    begin_batch(state, state.batch + 1, now, out);
    true
}

fn begin_batch(state: &mut State, batch: usize, now: OffsetDateTime, out: &mut Vec<Command>) {
    let plan = Arc::clone(&state.plan);
    let Some(planned) = plan.batches.get(batch) else { return finish(state, now, out) };
    let hosts = state.batches.hosts_of(batch);
    state.batch = batch;
    state.activity = Activity::Batch;
    state.next_host = hosts.end;
    state.waiting = hosts.filter(|&index| state.hosts[index].result.is_none()).collect();
    out.push(Command::Announce(Notice::batch_started(&plan, batch + 1, *planned)));
}

fn complete_batch(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) {
    let number = state.batch + 1;
    out.push(Command::Announce(Notice::batch_completed(&state.plan, number)));
    if number == state.plan.batches.len() {
        return finish(state, now, out);
    }
    state.activity = Activity::BetweenBatches(now + state.plan.policy.delay.0);
    reach_gate(state, Gate::Batch(number + 1), now, out);
}

fn finish(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) {
    let status = if all_as_requested(state) { Status::Completed } else { Status::Failed };
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

/// Sends the archive ahead while there is nothing else to do. A host that refuses it keeps its turn.
fn stage_ahead(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) {
    let next_batch = state.batches.hosts_of(state.batch + 1);
    while state.plan.has_archive
        && next_batch.contains(&state.next_host)
        && state.is_below_parallel_limit()
    {
        let index = state.next_host;
        state.next_host += 1;
        let pending = state.hosts[index].activity == HostActivity::Pending;
        if pending && state.plan.hosts[index].bytes > 0 {
            state.dispatch(index, HostActivity::Staging, now, out);
        }
    }
}
