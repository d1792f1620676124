//! The changes of a rollout's status that an operator, a failure or a deadline may bring about.
//! Whether one is allowed as the rollout stands is decided before (`request`, `finish`).

use time::OffsetDateTime;

use crate::{Command, Notice, NoticeBody, Pause, State, Status};

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

/// Ends the rollout, and leaves all hosts as they are.
pub(super) fn abort(state: &mut State, why: String, now: OffsetDateTime, out: &mut Vec<Command>) {
    let body = NoticeBody::Aborted { why: why.clone() };
    out.push(Command::Announce(Notice::of(&state.plan, body)));
    state.reason = Some(why);
    state.enter(Status::Aborted, now);
}

/// Starts no host any more, and takes back those that were updated. `who` asked for it; the policy
/// did, if that is none.
pub(super) fn roll_back(
    state: &mut State,
    who: Option<&str>,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    out.push(Command::Announce(Notice::of(&state.plan, NoticeBody::RollingBack)));
    state.reason = who.map(str::to_owned);
    state.enter(Status::RollingBack, now);
}
