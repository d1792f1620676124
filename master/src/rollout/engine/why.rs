//! What is waited for, since when, and what happens next: one line.

use protocol::HostName;
use time::OffsetDateTime;

use crate::output::when;
use crate::rollout::engine::{HostStatus, OnTrip, Pause, Stage, State, Status};

/// The line for a host; nothing for one that is not in the rollout.
pub fn why(state: &State, name: &HostName) -> Option<String> {
    let place = *state.places.get(name)?;
    let host = &state.hosts[place];
    let limit = state.under_way.get(&place).copied();
    let limit = limit.map(|limit| format!("; silence until {} fails it", when(limit)));
    let next = match host.status {
        HostStatus::Pending => return Some(turn(state, place)),
        HostStatus::Preflight => "it is ordered if it is well",
        HostStatus::Staging => "it waits for its turn",
        HostStatus::UpdatingSelf => "the new updater has to answer",
        HostStatus::Updating(_) => "the release is proven there, or taken back",
        HostStatus::Returning(_) => "the release before is proven there",
        HostStatus::Done => {
            let row = host.row.as_ref()?;
            let why = row.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
            let since = when(host.since);
            return Some(format!("it waits for nothing: {} since {since}{why}", row.outcome));
        }
    };
    let (doing, since) = (host.name(), when(host.since));
    let phase = match host.status {
        HostStatus::Updating(phase) | HostStatus::Returning(phase) => format!(" ({phase})"),
        _ => String::new(),
    };
    Some(format!("{doing}{phase} since {since}; next: {next}{}", limit.unwrap_or_default()))
}

/// The line for the whole rollout.
pub fn waits_for(state: &State) -> String {
    let since = when(state.since);
    let batches = state.plan.batches.len();
    let batch = state.batch + 1;
    let under_way = state.under_way.len();
    match (&state.status, state.stage) {
        (Status::Planned, _) => format!("planned since {since}; next: it is begun"),
        (Status::AwaitingApproval(gate), _) => format!(
            "waits since {since} for somebody to approve {gate}; next: it goes on, or ends if it is \
             rejected; without an answer it ends {}",
            expiry(state)
        ),
        (Status::Paused(why), _) => format!(
            "paused since {since}, {under_way} hosts under way: {why}; next: {}; without an \
             answer it ends {}",
            answers(why),
            expiry(state)
        ),
        (Status::Running, Stage::Preflight) => {
            format!("looks at all hosts since {since}; next: batch 1 of {batches}")
        }
        (Status::Running, Stage::Batch) => {
            let left = state.waiting.len();
            let next = if batch == batches {
                "the end".to_owned()
            } else {
                format!("batch {} of {batches}", batch + 1)
            };
            format!(
                "batch {batch} of {batches}: {under_way} hosts under way, {left} wait; next: {next}"
            )
        }
        (Status::Running, Stage::Between(until)) => {
            format!("batch {} of {batches} begins {}", batch + 1, when(until))
        }
        (Status::RollingBack, _) => {
            format!("rolls back since {since}, {under_way} hosts under way; next: the end")
        }
        (status, _) => {
            let why = state.because.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let late = match under_way {
                0 => String::new(),
                hosts => format!("; {hosts} hosts finish what they have begun"),
            };
            format!("{} since {since}{why}{late}", status.name())
        }
    }
}

/// What a host waits for before its turn.
fn turn(state: &State, place: usize) -> String {
    let batch = state.division.batch_of(place);
    let number = batch.map_or(0, |batch| batch + 1);
    let all = state.plan.batches.len();
    let since = when(state.hosts[place].since);
    let own = format!("waits for its turn in batch {number} of {all} since {since}");
    let begun = state.status == Status::Running && state.stage != Stage::Preflight;
    let next = if state.status.is_final() {
        return format!(
            "it waits for nothing: the rollout was {} before its turn",
            state.status.name()
        );
    } else if !begun {
        waits_for(state)
    } else if batch == Some(state.batch) {
        format!("at most {} hosts are under way at once", state.plan.policy.parallel)
    } else {
        format!("batch {} has to be through before", state.batch + 1)
    };
    format!("{own}: {next}")
}

fn answers(why: &Pause) -> &'static str {
    if why.asks_how() { "continue, rollback or abort it" } else { "resume, rollback or abort it" }
}

fn expiry(state: &State) -> String {
    let at: OffsetDateTime = state.since + state.plan.policy.deadlines.answer.0;
    when(at)
}

impl OnTrip {
    /// What it means, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Pause => "it pauses, and waits for continue, rollback or abort",
            Self::Rollback => "every host that was updated is taken back",
            Self::Abort => "it ends, and all hosts are left as they are",
        }
    }
}
