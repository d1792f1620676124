//! Going back: every host that this rollout updated runs again what it ran before.

use protocol::{Code, HostOutcome};
use time::OffsetDateTime;

use crate::state::{FIRST_PHASE, PendingRollback};
use crate::summary::of_whom_nothing_is_known;
use crate::{
    Blame, Command, HostActivity, HostResult, MasterCode, Notice, NoticeBody, RolloutResult, State,
    Status, blame,
};

/// Waits for what was ordered before; then takes hosts back, the last in the plan's order first: batch
/// by batch with the policy's delay between them, and as many at once as it allows. True once all were.
pub(super) fn roll_hosts_back(
    state: &mut State,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) -> bool {
    let mut pending = match state.pending_rollback.take() {
        Some(pending) => pending,
        None if state.under_way.is_empty() => hosts_to_roll_back(state),
        None => return false,
    };
    loop {
        begin_batch(state, &mut pending, now);
        roll_batch_back(state, &mut pending, now, out);
        let more = !pending.left.is_empty();
        if !more || !state.under_way.is_empty() || pending.resumes_at.is_some() {
            break;
        }
        // The batch is through.
        pending.batch = None;
        pending.resumes_at = Some(now + state.plan.policy.delay.0);
    }
    let over = pending.left.is_empty() && state.under_way.is_empty();
    if over {
        let (status, body) = if pending.failed {
            (Status::Failed, NoticeBody::Completed { result: RolloutResult::Failed })
        } else if state.hosts.iter().any(|host| host.result.as_deref().is_some_and(is_in_doubt)) {
            state.reason = Some(of_whom_nothing_is_known(state));
            (Status::Unclear, NoticeBody::Completed { result: RolloutResult::Unclear })
        } else {
            (Status::RolledBack, NoticeBody::RolledBack)
        };
        state.enter(status, now);
        out.push(Command::Announce(Notice::of(&state.plan, body)));
    }
    state.pending_rollback = Some(pending);
    over
}

/// Goes on with the batch of the next host, unless that is not due yet.
fn begin_batch(state: &State, pending: &mut PendingRollback, now: OffsetDateTime) {
    if pending.resumes_at.is_some_and(|resumes_at| resumes_at <= now) {
        pending.resumes_at = None;
    }
    if pending.batch.is_none() && pending.resumes_at.is_none() {
        pending.batch = pending.left.last().and_then(|&index| state.batches.batch_of(index));
    }
}

fn roll_batch_back(
    state: &mut State,
    pending: &mut PendingRollback,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    while pending.resumes_at.is_none()
        && state.is_below_parallel_limit()
        && let Some(index) =
            pending.left.pop_if(|index| state.batches.batch_of(*index) == pending.batch)
    {
        if state.plan.hosts[index].from.is_some() {
            state.dispatch(index, HostActivity::RollingBack(FIRST_PHASE), now, out);
        } else {
            pending.failed = true;
            let result = result(state, index, HostOutcome::Failed);
            let detail = "it had no release before this rollout: there is nothing to go back to";
            let result = result.with_reason(Code::NoPreviousRelease, detail);
            state.record_result(index, result, now, out);
        }
    }
}

/// The hosts that were updated. One that is stranded, or of which it is not known what it runs, cannot be
/// taken back.
fn hosts_to_roll_back(state: &State) -> PendingRollback {
    let results = || {
        let result = |index: usize| Some((index, state.hosts[index].result.as_deref()?));
        (0..state.hosts.len()).filter_map(result)
    };
    let updated = results().filter(|(_, result)| result.outcome == HostOutcome::Updated);
    PendingRollback {
        left: updated.map(|(index, _)| index).collect(),
        failed: results().any(|(_, result)| result.outcome == HostOutcome::Stranded),
        batch: None,
        resumes_at: None,
    }
}

/// Whether a host may run the release all the same.
fn is_in_doubt(result: &HostResult) -> bool {
    match result.outcome {
        HostOutcome::Unclear => true,
        // As an older master called it.
        HostOutcome::Unreachable => blame(result) == Some(Blame::Unclear),
        _ => false,
    }
}

/// Takes a host's answer to its order to go back.
pub(super) fn finish_host(
    state: &mut State,
    index: usize,
    answer: HostResult,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    let is_back = matches!(answer.outcome, HostOutcome::AlreadyCurrent)
        || (answer.outcome == HostOutcome::RolledBack && answer.code.is_none());
    let result = if is_back {
        let result = result(state, index, HostOutcome::RolledBack);
        let result = HostResult { to: answer.to, duration_ms: answer.duration_ms, ..result };
        result.with_reason(
            MasterCode::TakenBack,
            "it was updated, and taken back with the whole rollout",
        )
    } else {
        if let Some(pending) = &mut state.pending_rollback {
            pending.failed |= !is_in_doubt(&answer);
        }
        answer
    };
    state.record_result(index, result, now, out);
}

/// A result that says what the host ran before, and that it still runs the release.
fn result(state: &State, index: usize, outcome: HostOutcome) -> HostResult {
    let planned = &state.plan.hosts[index];
    HostResult { from: planned.from, to: planned.to, ..HostResult::new(&planned.host, outcome) }
}
