//! Going back: every host that this rollout updated runs again what it ran before.

use protocol::HostOutcome;
use time::OffsetDateTime;

use crate::state::FIRST_PHASE;
use crate::{Blame, Command, HostStatus, Notice, Row, State, Status, blame};

/// What is left of a rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Back {
    /// Hosts that are still to be taken back, the next one last.
    left: Vec<usize>,
    /// Whether one could not be.
    failed: bool,
}

/// The code of a host that was taken back.
const TAKEN_BACK: &str = "taken_back";

/// Starts no host any more, and takes back those that were updated.
pub(super) fn begin(
    state: &mut State,
    who: Option<&str>,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    let who = who.map(str::to_owned);
    out.push(Command::Tell(Notice::RollingBack { who: who.clone() }));
    state.because = who;
    state.enter(Status::RollingBack, now);
}

/// Waits for what was ordered before; then takes hosts back, the last in the plan's order first,
/// as many at once as may be.
pub(super) fn take_back(state: &mut State, now: OffsetDateTime, out: &mut Vec<Command>) -> bool {
    let mut back = match state.back.take() {
        Some(back) => back,
        None if state.under_way.is_empty() => plan(state),
        None => return false,
    };
    while state.has_a_free_place()
        && let Some(place) = back.left.pop()
    {
        if state.plan.hosts[place].from.is_some() {
            state.begin(place, HostStatus::Returning(FIRST_PHASE), now);
            out.extend(state.command(place, false));
        } else {
            back.failed = true;
            let row = row(state, place, HostOutcome::Failed);
            let detail = "it had no release before this rollout: there is nothing to go back to";
            state.end(place, row.because("no_previous_release", detail), now, out);
        }
    }
    let over = back.left.is_empty() && state.under_way.is_empty();
    if over {
        let (status, notice) = if back.failed {
            (Status::Failed, Notice::Ended)
        } else {
            (Status::RolledBack, Notice::RolledBack)
        };
        state.enter(status, now);
        out.push(Command::Tell(notice));
    }
    state.back = Some(back);
    over
}

/// The hosts that were updated. One of which nobody knows what it runs cannot be taken back.
fn plan(state: &State) -> Back {
    let all = || {
        let row = |place: usize| Some((place, state.hosts[place].row.as_deref()?));
        (0..state.hosts.len()).filter_map(row)
    };
    let updated =
        |(place, row): (usize, &Row)| (row.outcome == HostOutcome::Updated).then_some(place);
    let in_doubt = |(_, row): (usize, &Row)| match row.outcome {
        HostOutcome::Stranded => true,
        HostOutcome::Unreachable => blame(row) == Some(Blame::Unclear),
        _ => false,
    };
    Back { left: all().filter_map(updated).collect(), failed: all().any(in_doubt) }
}

/// A host answered to its order to go back.
pub(super) fn taken_back(
    state: &mut State,
    place: usize,
    answer: Row,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    let there = matches!(answer.outcome, HostOutcome::AlreadyCurrent)
        || (answer.outcome == HostOutcome::RolledBack && answer.code.is_none());
    let row = if there {
        let row = row(state, place, HostOutcome::RolledBack);
        let row = Row { to: answer.to, duration_ms: answer.duration_ms, ..row };
        row.because(TAKEN_BACK, "it was updated, and taken back with the whole rollout")
    } else {
        if let Some(back) = &mut state.back {
            back.failed = true;
        }
        answer
    };
    state.end(place, row, now, out);
}

/// What a host was before, and that it still runs the release.
fn row(state: &State, place: usize, outcome: HostOutcome) -> Row {
    let planned = &state.plan.hosts[place];
    Row { from: planned.from, to: planned.to, ..Row::new(&planned.host, outcome) }
}
