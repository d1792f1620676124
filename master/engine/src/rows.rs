//! What all hosts came to.

use std::collections::BTreeMap;

use protocol::{HostOutcome, Kind};

use crate::{Host, HostStatus, PlannedHost, Row, State, batch};

/// A row for each host, by name: what it came to, or why it has come to nothing yet.
pub fn rows(state: &State) -> Vec<Row> {
    let row = |place: usize| match &state.hosts[place].row {
        Some(row) => Row::clone(row),
        None => batch::left_out(state, place),
    };
    state.places.values().map(|&place| row(place)).collect()
}

/// The hosts with their plans, those first that matter most: see [`Weight`]. Of the same weight,
/// they stay in the plan's order.
pub fn by_weight(state: &State) -> Vec<(Weight, &PlannedHost, &Host)> {
    let weighed = state.hosts().map(|(planned, host)| (Weight::of(host), planned, host));
    let mut hosts: Vec<_> = weighed.collect();
    hosts.sort_by_key(|(weight, ..)| *weight);
    hosts
}

/// How much a host matters to who looks at a rollout; the most comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It is not where it was asked to be.
    Failed,
    /// A command is out for it.
    UnderWay,
    /// It runs what it was asked to.
    Good,
    /// It waits for its turn.
    Waits,
    /// It was left out.
    LeftOut,
}

impl Weight {
    fn of(host: &Host) -> Self {
        match (host.status, host.row.as_ref().map(|row| row.outcome)) {
            (HostStatus::Done, Some(HostOutcome::Updated | HostOutcome::AlreadyCurrent)) => {
                Self::Good
            }
            (HostStatus::Done, Some(HostOutcome::Skipped)) => Self::LeftOut,
            (HostStatus::Done, _) => Self::Failed,
            (HostStatus::Pending, _) => Self::Waits,
            _ => Self::UnderWay,
        }
    }

    /// Whether the host is one of many of which there is nothing to say.
    pub fn is_usual(self) -> bool {
        self >= Self::Good
    }
}

/// How many hosts stand where, by the name of their state.
pub fn counts(state: &State) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for host in &state.hosts {
        *counts.entry(host.name()).or_default() += 1;
    }
    counts
}

/// Whether every host is where it was asked to be. Hosts that were left out because they are not
/// addressed are no failure, unless there was nothing else, or they were asked for by name.
pub(super) fn are_as_asked(state: &State) -> bool {
    let outcomes = || state.hosts.iter().map(|host| host.row.as_ref().map(|row| row.outcome));
    let met = |outcome: Option<HostOutcome>| outcome.is_some_and(|o| is_met_by(state.plan.kind, o));
    let left_out = |outcome| !state.plan.named && outcome == Some(HostOutcome::Skipped);
    outcomes().any(met) && outcomes().all(|outcome| met(outcome) || left_out(outcome))
}

/// Whether a host that came to this is where it was asked to be. In an update, a host that is back
/// on its old release is not.
const fn is_met_by(kind: Kind, outcome: HostOutcome) -> bool {
    match outcome {
        HostOutcome::Updated | HostOutcome::AlreadyCurrent => true,
        HostOutcome::RolledBack => matches!(kind, Kind::Rollback),
        HostOutcome::Failed
        | HostOutcome::Unreachable
        | HostOutcome::Stranded
        | HostOutcome::Skipped => false,
    }
}
