//! What all hosts came to.

use std::collections::BTreeMap;

use protocol::{HostOutcome, Kind};

use crate::rollout::engine::{Row, State, batch};

/// A row for each host, by name: what it came to, or why it has come to nothing yet.
pub fn rows(state: &State) -> Vec<Row> {
    let row = |place: usize| match &state.hosts[place].row {
        Some(row) => Row::clone(row),
        None => batch::left_out(state, place),
    };
    state.places.values().map(|&place| row(place)).collect()
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
