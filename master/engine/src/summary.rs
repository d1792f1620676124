//! What all hosts came to, put together. It decides nothing but whether all of it is as requested.

use std::collections::BTreeMap;

use protocol::{Code, HostOutcome, Kind};

use crate::{HostActivity, HostResult, HostState, MasterCode, PlannedHost, State, Status};

/// A result for each host, by name: what it came to, or why it has come to nothing yet.
pub fn host_results(state: &State) -> Vec<HostResult> {
    let result = |index: usize| match &state.hosts[index].result {
        Some(result) => HostResult::clone(result),
        None => unfinished_result(state, index),
    };
    state.indices.values().map(|&index| result(index)).collect()
}

/// The result of a host that has none: the rollout ended, or waits, before the host's turn; or in
/// the middle of it, when it is not known yet what it comes to.
fn unfinished_result(state: &State, index: usize) -> HostResult {
    let planned = &state.plan.hosts[index];
    if let Some(activity) = state.hosts[index].activity.name_of_order() {
        let result = HostResult::new(&planned.host, HostOutcome::Unclear);
        let result = HostResult { from: planned.from, ..result };
        let detail = format!("left while {activity}: it goes on there");
        return result.with_reason(Code::Interrupted, &detail);
    }
    let result = HostResult::new(&planned.host, HostOutcome::Skipped);
    let result = HostResult { from: planned.from, to: planned.from, ..result };
    match &state.status {
        Status::Aborted => {
            result.with_reason(MasterCode::Aborted, "the rollout was aborted before its turn")
        }
        Status::RollingBack | Status::RolledBack => {
            result.with_reason(Code::RolledBack, "the rollout was rolled back before its turn")
        }
        Status::Completed | Status::Failed | Status::Unclear => result.with_reason(
            MasterCode::NotStarted,
            "another host was not well, so no host was touched",
        ),
        Status::AwaitingApproval(gate) => result.with_reason(
            MasterCode::AwaitingApproval,
            &format!("an operator has to approve {gate}"),
        ),
        Status::Paused(why) if !why.needs_decision() => {
            result.with_reason(Code::Interrupted, "the rollout was stopped before its turn")
        }
        Status::Paused(why) => {
            result.with_reason(MasterCode::Paused, &format!("the rollout is paused: {why}"))
        }
        Status::Planned | Status::Running => {
            result.with_reason(Code::Interrupted, "the rollout was left before its turn")
        }
    }
}

/// The hosts with their plans, the most urgent first; those of one [`Urgency`] in the plan's order.
pub fn by_urgency(state: &State) -> Vec<(Urgency, &PlannedHost, &HostState)> {
    let ranked = state.hosts().map(|(planned, host)| (Urgency::of(host), planned, host));
    let mut hosts: Vec<_> = ranked.collect();
    hosts.sort_by_key(|(urgency, ..)| *urgency);
    hosts
}

/// How much a host matters to an operator who looks at a rollout; the most comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// It does not run what it was asked to run.
    Failed,
    /// A command is out for it.
    UnderWay,
    /// It runs what it was asked to run.
    Good,
    /// It waits for its turn.
    Waiting,
    /// It was left out.
    LeftOut,
}

impl Urgency {
    fn of(host: &HostState) -> Self {
        match (host.activity, &host.result) {
            (HostActivity::Done, Some(result)) => Self::of_result(result),
            (HostActivity::Done, None) => Self::Failed,
            (HostActivity::Pending, _) => Self::Waiting,
            _ => Self::UnderWay,
        }
    }

    /// How much a host matters that has come to this.
    pub fn of_result(result: &HostResult) -> Self {
        match result.outcome {
            HostOutcome::Skipped => Self::LeftOut,
            _ if result.is_bad() => Self::Failed,
            _ => Self::Good,
        }
    }

    /// Whether the host is one of many of which there is nothing to say.
    pub fn is_unremarkable(self) -> bool {
        self >= Self::Good
    }
}

/// How many hosts are where, by the word for it, the most urgent first.
pub fn count_hosts(state: &State) -> Vec<(Urgency, &'static str, usize)> {
    let mut counts = BTreeMap::new();
    for host in &state.hosts {
        *counts.entry((Urgency::of(host), host.word())).or_default() += 1;
    }
    counts.into_iter().map(|((urgency, word), count)| (urgency, word, count)).collect()
}

/// What a rollout that has gone forward to its end has come to: completed where every host runs what it was
/// asked to run, unclear where nothing else is known of any. Hosts that are left out because they are not
/// addressed are no failure, unless there was nothing else, or the operator named them.
pub(super) fn end_of(state: &State) -> Status {
    let outcomes =
        || state.hosts.iter().map(|host| host.result.as_ref().map(|result| result.outcome));
    let met = |outcome: Option<HostOutcome>| {
        outcome.is_some_and(|outcome| is_success(state.plan.kind, outcome))
    };
    let unclear = |outcome: Option<HostOutcome>| outcome == Some(HostOutcome::Unclear);
    let left_out = |outcome| !state.plan.by_name && outcome == Some(HostOutcome::Skipped);
    if !outcomes().all(|outcome| met(outcome) || unclear(outcome) || left_out(outcome)) {
        return Status::Failed;
    }
    match (outcomes().any(unclear), outcomes().any(met)) {
        (true, _) => Status::Unclear,
        (false, true) => Status::Completed,
        (false, false) => Status::Failed,
    }
}

/// Why a rollout is unclear, in words.
pub(super) fn of_whom_nothing_is_known(state: &State) -> String {
    let is_unclear = |host: &&HostState| {
        host.result.as_ref().is_some_and(|result| result.outcome == HostOutcome::Unclear)
    };
    let hosts = match state.hosts.iter().filter(is_unclear).count() {
        1 => "the order of 1 host".to_owned(),
        count => format!("the orders of {count} hosts"),
    };
    format!("what became of {hosts} is not known; look with swarm status")
}

/// Whether the host runs what it was asked to run. In an update, a host that is back on its old
/// release does not.
pub(super) const fn is_success(kind: Kind, outcome: HostOutcome) -> bool {
    match outcome {
        HostOutcome::Updated | HostOutcome::AlreadyCurrent => true,
        HostOutcome::RolledBack => matches!(kind, Kind::Rollback),
        HostOutcome::Failed
        | HostOutcome::Unreachable
        | HostOutcome::Unclear
        | HostOutcome::Stranded
        | HostOutcome::Skipped => false,
    }
}
