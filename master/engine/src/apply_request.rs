//! What follows when an operator requests something. Whether it is allowed, `request` says.

use time::OffsetDateTime;

use crate::approval::pass_gate;
use crate::transition::{abort, pause, roll_back};
use crate::{Command, Notice, NoticeBody, Pause, Request, State, Status};

/// A request, who made it, and why.
pub(super) struct Asked<'a> {
    pub(super) who: &'a str,
    pub(super) request: &'a Request,
    pub(super) because: Option<&'a str>,
}

/// Does what was requested, if the rollout's present status allows it.
pub(super) fn apply_request(
    state: &mut State,
    asked: &Asked<'_>,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    let Asked { who, request, because } = *asked;
    if state.check(request, now).is_err() {
        return;
    }
    let why = because.map(|why| format!(": {why}")).unwrap_or_default();
    let by = |what: &str| format!("{who} {what} it{why}");
    match (request, &state.status) {
        (Request::Approve { .. }, &Status::AwaitingApproval(gate)) => {
            out.push(Command::Announce(Notice::approved(&state.plan, gate, because)));
            state.observations_since = now;
            pass_gate(state, gate, now, out);
        }
        (Request::Reject, _) => abort(state, by("rejected"), now, out),
        (Request::Abort, _) => abort(state, by("aborted"), now, out),
        (Request::Rollback, _) => roll_back(state, Some(who), now, out),
        (Request::Pause, _) => pause(state, Pause::Requested { who: who.to_owned() }, now, out),
        (Request::Interrupt, _) => pause(state, Pause::Interrupted, now, out),
        (Request::Resume | Request::Continue, Status::Paused(_)) => {
            // An operator who only resumes has not judged the failures so far. One who goes on after
            // the breaker tripped has: the batch needs no other proof.
            if *request == Request::Continue {
                state.breaker.reset();
                let tripped = matches!(state.status, Status::Paused(Pause::Tripped(_)));
                state.needs_proof &= !tripped;
            }
            state.observations_since = now;
            state.enter(Status::Running, now);
            let body = NoticeBody::Resumed {
                continued: *request == Request::Continue,
                because: because.map(str::to_owned),
            };
            out.push(Command::Announce(Notice::of(&state.plan, body)));
        }
        _ => {}
    }
}
