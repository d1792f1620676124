//! What a host or a rollout waits for, since when, and what happens next, in one line for operators.

use explain::when;
use protocol::{HostName, HostOutcome};

use crate::{Activity, HostActivity, HostState, OnTrip, Pause, State, Status};

/// The line for a host; none for a host that is not in the rollout.
pub fn describe_host(state: &State, name: &HostName) -> Option<String> {
    let index = *state.indices.get(name)?;
    let host = &state.hosts[index];
    let next = match host.activity {
        HostActivity::Pending => return Some(describe_pending(state, index)),
        HostActivity::Done => return describe_finished(state, host),
        HostActivity::Observing => "it is ordered if it is well",
        HostActivity::Querying => "what it says is its result",
        HostActivity::UpdatingSelf => "the new updater has to answer",
        HostActivity::Updating(_) => "the release is proven there, or taken back",
        HostActivity::RollingBack(_) => "the release before is proven there",
    };
    let (doing, since) = (host.word(), when(host.since));
    let limit = state.under_way.get(&index).map(|&limit| match host.due {
        Some(due) if due == limit => format!("; it has to come to its end until {}", when(due)),
        _ => format!("; if nothing is heard of it until {}, it is unclear", when(limit)),
    });
    Some(format!("{doing} since {since}; next: {next}{}", limit.unwrap_or_default()))
}

/// The line for a host that has its result.
fn describe_finished(state: &State, host: &HostState) -> Option<String> {
    let result = host.result.as_ref()?;
    let why = result.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    let next = match (&state.status, result.outcome) {
        (Status::RollingBack, HostOutcome::Updated) => "next: it is taken back",
        _ => "nothing more is done there",
    };
    Some(format!("{} at {}{why}; {next}", result.outcome, when(host.since)))
}

/// The line for the whole rollout.
pub fn describe_rollout(state: &State) -> String {
    let since = when(state.since);
    let batches = state.plan.batches.len();
    let batch = state.batch + 1;
    let under_way = state.under_way.len();
    match (&state.status, state.activity) {
        (Status::Planned, _) => format!("planned since {since}; next: it is begun"),
        (Status::AwaitingApproval(gate), _) => format!(
            "waits since {since} for an operator to approve {gate}; next: it goes on, or ends if it is \
             rejected; without an answer it ends {}",
            answer_deadline(state)
        ),
        (Status::Paused(why), _) => format!(
            "paused since {since}, {} under way: {why}; next: {}; without an answer it ends {}",
            hosts(under_way),
            possible_answers(why),
            answer_deadline(state)
        ),
        (Status::Running, Activity::Preflight) => {
            format!("looks at all hosts since {since}; next: batch 1 of {batches}")
        }
        (Status::Running, Activity::Batch) => {
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
        (Status::Running, Activity::BetweenBatches(until)) => {
            let next = state.next_batch().map_or(batches, |next| next + 1);
            format!("batch {next} of {batches} begins {}", when(until))
        }
        (Status::Running, Activity::Closing) => {
            format!("asks {} what became of their orders; next: the end", hosts(under_way))
        }
        (Status::RollingBack, _) => {
            let delay = state.pending_rollback.as_ref().and_then(|pending| pending.resumes_at);
            let next = delay.map_or("the end".to_owned(), |delay| {
                format!("the batch before is taken back after the delay, {}", when(delay))
            });
            format!("rolls back since {since}, {} under way; next: {next}", hosts(under_way))
        }
        (status, _) => {
            let why = state.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let late = match under_way {
                0 => String::new(),
                1 => "; 1 host finishes what it has begun".to_owned(),
                hosts => format!("; {hosts} hosts finish what they have begun"),
            };
            format!("{} at {since}{why}{late}", status.into_str())
        }
    }
}

/// What a host waits for before its turn.
fn describe_pending(state: &State, index: usize) -> String {
    let batch = state.batches.batch_of(index);
    let number = batch.map_or(0, |batch| batch + 1);
    let all = state.plan.batches.len();
    let since = when(state.hosts[index].since);
    let next = if state.status.is_final() {
        let status = state.status.into_str();
        return format!("the rollout was {status} before its turn; nothing is done there");
    } else if state.status != Status::Running || state.activity == Activity::Preflight {
        format!("the rollout {}", describe_rollout(state))
    } else if let Activity::BetweenBatches(until) = state.activity {
        let next = state.next_batch();
        let begins = next.map_or(number, |next| next + 1);
        let through = if batch == next { "" } else { ", and has to be through before" };
        format!("batch {begins} begins after the delay, {}{through}", when(until))
    } else if state.activity == Activity::Closing {
        format!("the rollout {}", describe_rollout(state))
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

fn possible_answers(why: &Pause) -> &'static str {
    if why.needs_decision() {
        "continue, rollback or abort it"
    } else {
        "resume, rollback or abort it"
    }
}

fn answer_deadline(state: &State) -> String {
    when(state.since + state.plan.policy.deadlines.answer.0)
}

impl OnTrip {
    /// What is done then, for operators.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Pause => "it pauses, and waits for continue, rollback or abort",
            Self::Rollback => "every host that was updated is taken back",
            Self::Abort => "it ends, and all hosts are left as they are",
        }
    }
}
