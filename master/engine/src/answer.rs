//! What follows when somebody asks for something.

use time::OffsetDateTime;

use crate::step::{abort, pause};
use crate::{Command, Notice, Pause, Request, State, Status, back, batch};

/// Does what was asked, if it means anything as the rollout stands now.
pub(super) fn answer(
    state: &mut State,
    who: &str,
    request: &Request,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    if state.check(request, now).is_err() {
        return;
    }
    let by = |what: &str| format!("{who} {what} it");
    match (request, &state.status) {
        (Request::Approve { .. }, &Status::AwaitingApproval(gate)) => {
            out.push(Command::Tell(Notice::Approved { who: who.to_owned(), gate }));
            state.trusted = now;
            batch::pass_gate(state, gate, now, out);
        }
        (Request::Reject, _) => abort(state, by("rejected"), now, out),
        (Request::Abort, _) => abort(state, by("aborted"), now, out),
        (Request::Rollback, _) => back::begin(state, Some(who), now, out),
        (Request::Pause, _) => pause(state, Pause::Asked { who: who.to_owned() }, now, out),
        (Request::Interrupt, _) => pause(state, Pause::Interrupted, now, out),
        (Request::Resume | Request::Continue, Status::Paused(_)) => {
            // Whoever only lets it go on has not judged the failures so far.
            if *request == Request::Continue {
                state.breaker.reset();
            }
            state.trusted = now;
            state.enter(Status::Running, now);
            out.push(Command::Tell(Notice::Resumed { who: who.to_owned() }));
        }
        _ => {}
    }
}
