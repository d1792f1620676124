//! What follows when a host's update has ended. It never starts another host: `batch` does.

use protocol::HostOutcome;
use time::OffsetDateTime;

use crate::transition::{abort, pause, roll_back};
use crate::{Blame, Command, HostResult, Notice, OnTrip, Pause, State, Status, Trip, blame};

/// Records a host's result, and does what follows from it: the release may be quarantined, the
/// breaker may trip, and the rollout may pause.
pub(super) fn finish_host(
    state: &mut State,
    index: usize,
    result: HostResult,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    let (blamed, code) = (blame(&result), result.code.clone().unwrap_or_default());
    let (proven, host) = (result.outcome == HostOutcome::Updated, result.host.clone());
    let canary = state.plan.batches.get(state.batch).is_some_and(|batch| batch.canary);
    // On a stranded host the old release was not proven either: the host, or its probe, may be at
    // fault.
    if blamed == Some(Blame::Release) && result.outcome != HostOutcome::Stranded {
        state.quarantine(&result, canary, out);
    }
    state.record_result(index, result, now, out);
    match blamed {
        None if proven => {
            state.breaker.record_success();
            state.forgive(&host, out);
        }
        None | Some(Blame::Host) => {}
        Some(Blame::Unclear) => pause(state, Pause::Unclear { host, code }, now, out),
        Some(Blame::Release) => {
            if let Some(reason) = state.breaker.record_failure(index, canary, &state.plan) {
                trip(state, reason, now, out);
            }
        }
    }
}

/// The breaker tripped. Where no host is left to start, there is nothing to ask the operator.
fn trip(state: &mut State, reason: Trip, now: OffsetDateTime, out: &mut Vec<Command>) {
    let before = matches!(state.status, Status::Paused(Pause::Tripped(_)));
    if before || !matches!(state.status, Status::Running | Status::Paused(_)) {
        return;
    }
    out.push(Command::Announce(Notice::tripped(&state.plan, reason, state.failed())));
    match state.plan.policy.on_trip {
        OnTrip::Pause => pause(state, Pause::Tripped(reason), now, out),
        OnTrip::Rollback => roll_back(state, None, now, out),
        OnTrip::Abort => abort(state, reason.to_string(), now, out),
    }
}
