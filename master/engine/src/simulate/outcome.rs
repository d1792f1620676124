//! What a simulation came to.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::simulate::scene::Scene;
use crate::{WorstCase, rows, waits_for};

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
    /// How many were, between two times when somebody said to continue.
    pub harmed: u32,
    /// How long it took, in milliseconds of the simulated time.
    pub took_ms: u64,
    /// How many events there were.
    pub events: u64,
    /// How often somebody was asked how to go on.
    pub questions: u32,
    /// What was broken of what must hold, and when.
    pub broken: Vec<(u64, String)>,
    /// What each host came to, by name.
    #[serde(skip)]
    pub(super) hosts: Vec<&'static str>,
}

impl Outcome {
    pub(super) fn of(scene: &Scene) -> Self {
        let rollout = &scene.rollouts[0];
        let read = || rollout.journal.state(None);
        let state = &rollout.rests.clone().unwrap_or_else(read);
        let hosts: Vec<_> = rows(state).iter().map(|row| row.outcome.name()).collect();
        let mut outcomes = BTreeMap::new();
        for name in &hosts {
            *outcomes.entry(*name).or_default() += 1;
        }
        let (worst_case, harmed) = scene.laws.harm(0);
        Self {
            status: state.status().0.name(),
            waits_for: waits_for(state),
            batches: rollout.plan.batches.len(),
            outcomes,
            worst_case,
            harmed,
            took_ms: scene.now,
            events: scene.events,
            questions: scene.questions,
            broken: scene.laws.broken.clone(),
            hosts,
        }
    }
}
