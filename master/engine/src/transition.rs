//! The changes of a rollout's status that an operator, a failure or a deadline may bring about.
//! Whether one is allowed as the rollout stands is decided before (`request`, `finish`).

use protocol::{HostOutcome, Phase};
use time::OffsetDateTime;

use crate::{
    Command, HostActivity, HostResult, MasterCode, Notice, NoticeBody, Pause, State, Status,
};

/// Starts no host any more, until an operator answers.
pub(super) fn pause(state: &mut State, why: Pause, now: OffsetDateTime, out: &mut Vec<Command>) {
    // A pause that needs a decision replaces one that can simply be resumed.
    let may_pause = match &state.status {
        Status::Running => true,
        Status::Paused(before) => why.needs_decision() && !before.needs_decision(),
        _ => false,
    };
    if may_pause && state.has_hosts_left() {
        out.push(Command::Announce(Notice::paused(&state.plan, &why)));
        state.enter(Status::Paused(why), now);
    }
}

/// Ends the rollout, and leaves all hosts as they are. A watch is not waited for.
pub(super) fn abort(state: &mut State, why: String, now: OffsetDateTime, out: &mut Vec<Command>) {
    let body = NoticeBody::Aborted { why: why.clone() };
    out.push(Command::Announce(Notice::of(&state.plan, body)));
    state.reason = Some(why);
    state.enter(Status::Aborted, now);
    leave_watched(state, now, out);
}

/// Waits no more for hosts of an aborted rollout that only watch what they run.
pub(super) fn leave_watched(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) {
    let watched = |&index: &usize| {
        matches!(
            state.hosts[index].activity,
            HostActivity::Updating(Phase::Watching) | HostActivity::RollingBack(Phase::Watching)
        )
    };
    let watched: Vec<_> = state.under_way.keys().copied().filter(watched).collect();
    for index in watched {
        let planned = &state.plan.hosts[index];
        let result = HostResult {
            from: planned.from,
            ..HostResult::new(&planned.host, HostOutcome::Unclear)
        };
        let detail = "the rollout was aborted while it was watched: the watch goes on there";
        out.push(Command::Abandon { host: planned.host.clone() });
        state.record_result(index, result.with_reason(MasterCode::Aborted, detail), now, out);
    }
}

/// Starts no host any more, and takes back those that were updated, those too that are watched. `who`
/// asked for it; the policy did, if that is none.
pub(super) fn roll_back(
    state: &mut State,
    who: Option<&str>,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    out.push(Command::Announce(Notice::of(&state.plan, NoticeBody::RollingBack)));
    state.reason = who.map(str::to_owned);
    state.enter(Status::RollingBack, now);
    stop_updates(state, out);
    state.ask_unclear(true, now, out);
}

/// Has hosts that are being updated end that at once.
pub(super) fn stop_updates(state: &State, out: &mut Vec<Command>) {
    let updated =
        |index: &&usize| matches!(state.hosts[**index].activity, HostActivity::Updating(_));
    let stop = |&index: &usize| Command::Stop { host: state.host_name(index).clone() };
    out.extend(state.under_way.keys().filter(updated).map(stop));
}
