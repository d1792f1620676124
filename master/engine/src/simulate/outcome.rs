//! What a simulation came to.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::simulate::simulation_state::SimulationState;
use crate::{WorstCase, describe_rollout, host_results};

/// The first rollout of a simulation, and whether all held that must.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// How the rollout stands at the end.
    pub status: &'static str,
    /// Why, or what it waits for: one line.
    pub waits_for: String,
    /// How many batches it had.
    pub batches: usize,
    /// How many hosts came to what.
    pub outcomes: BTreeMap<&'static str, u32>,
    /// How many hosts could be harmed at the very worst.
    pub worst_case: WorstCase,
    /// How many were, between two times when the operator said to continue.
    pub harmed: u32,
    /// How long it took, in milliseconds of the simulated time.
    pub took_ms: u64,
    /// How many events there were.
    pub events: u64,
    /// How often the operator was asked how to go on.
    pub questions: u32,
    /// What was broken of what must hold, and when.
    pub broken: Vec<(u64, String)>,
    /// What each host came to, by name.
    #[serde(skip)]
    pub(super) hosts: Vec<&'static str>,
}

impl Outcome {
    pub(super) fn of(shared: &SimulationState) -> Self {
        let rollout = &shared.rollouts[0];
        let read = || rollout.journal.state(None);
        let state = &rollout.rests.clone().unwrap_or_else(read);
        let hosts: Vec<_> =
            host_results(state).iter().map(|result| result.outcome.into_str()).collect();
        let mut outcomes = BTreeMap::new();
        for name in &hosts {
            *outcomes.entry(*name).or_default() += 1;
        }
        let (worst_case, harmed) = shared.invariants.harm(0);
        Self {
            status: state.status().0.into_str(),
            waits_for: describe_rollout(state),
            batches: rollout.plan.batches.len(),
            outcomes,
            worst_case,
            harmed,
            took_ms: shared.now,
            events: shared.events,
            questions: shared.questions,
            broken: shared.invariants.broken.clone(),
            hosts,
        }
    }
}
