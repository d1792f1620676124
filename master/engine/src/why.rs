//! What is waited for, since when, and what happens next: one line.

use explain::when;
use protocol::{HostName, HostOutcome};
use time::OffsetDateTime;

use crate::{Host, HostStatus, OnTrip, Pause, Stage, State, Status};

/// The line for a host; nothing for one that is not in the rollout.
pub fn why(state: &State, name: &HostName) -> Option<String> {
    let place = *state.places.get(name)?;
    let host = &state.hosts[place];
    let next = match host.status {
        HostStatus::Pending => return Some(turn(state, place)),
        HostStatus::Done => return done(state, host),
        HostStatus::Preflight => "it is ordered if it is well",
        HostStatus::Staging => "it waits for its turn",
        HostStatus::UpdatingSelf => "the new updater has to answer",
        HostStatus::Updating(_) => "the release is proven there, or taken back",
        HostStatus::Returning(_) => "the release before is proven there",
    };
    let (doing, since) = (host.name(), when(host.since));
    let phase = host.phase().map(|phase| format!(" ({phase})")).unwrap_or_default();
    let limit = state.under_way.get(&place).map(|&limit| match host.due {
        Some(due) if due == limit => format!("; it has to come to its end until {}", when(due)),
        _ => format!("; if nothing is heard of it until {}, it has failed", when(limit)),
    });
    Some(format!("{doing}{phase} since {since}; next: {next}{}", limit.unwrap_or_default()))
}

/// The line for a host that has its row.
fn done(state: &State, host: &Host) -> Option<String> {
    let row = host.row.as_ref()?;
    let why = row.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    let next = match (&state.status, row.outcome) {
        (Status::RollingBack, HostOutcome::Updated) => "next: it is taken back",
        _ => "nothing more is done there",
    };
    Some(format!("{} at {}{why}; {next}", row.outcome, when(host.since)))
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
            "paused since {since}, {} under way: {why}; next: {}; without an answer it ends {}",
            hosts(under_way),
            answers(why),
            expiry(state)
        ),
        (Status::Running, Stage::Preflight) => {
            format!("looks at all hosts since {since}; next: batch 1 of {batches}")
        }
        (Status::Running, Stage::Batch) => {
            let left = match state.waiting.len() {
                1 => "1 waits".to_owned(),
                left => format!("{left} wait"),
            };
            let next = if batch == batches {
                "the end".to_owned()
            } else {
                format!("batch {} of {batches}", batch + 1)
            };
            let hosts = hosts(under_way);
            format!("batch {batch} of {batches}: {hosts} under way, {left}; next: {next}")
        }
        (Status::Running, Stage::Between(until)) => {
            format!("batch {} of {batches} begins {}", batch + 1, when(until))
        }
        (Status::RollingBack, _) => {
            format!("rolls back since {since}, {} under way; next: the end", hosts(under_way))
        }
        (status, _) => {
            let why = state.because.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let late = match under_way {
                0 => String::new(),
                1 => "; 1 host finishes what it has begun".to_owned(),
                hosts => format!("; {hosts} hosts finish what they have begun"),
            };
            format!("{} at {since}{why}{late}", status.name())
        }
    }
}

/// What a host waits for before its turn.
fn turn(state: &State, place: usize) -> String {
    let batch = state.division.batch_of(place);
    let number = batch.map_or(0, |batch| batch + 1);
    let all = state.plan.batches.len();
    let since = when(state.hosts[place].since);
    let next = if state.status.is_final() {
        let status = state.status.name();
        return format!("the rollout was {status} before its turn; nothing is done there");
    } else if state.status != Status::Running || state.stage == Stage::Preflight {
        format!("the rollout {}", waits_for(state))
    } else if batch == Some(state.batch) {
        format!("at most {} at a time", hosts(state.plan.policy.parallel.get() as usize))
    } else {
        format!("batch {} has to be through before", state.batch + 1)
    };
    format!("waits for its turn in batch {number} of {all} since {since}: {next}")
}

fn hosts(number: usize) -> String {
    if number == 1 { "1 host".to_owned() } else { format!("{number} hosts") }
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
