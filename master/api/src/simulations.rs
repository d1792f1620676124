//! `swarm simulate`: what one rollout of a fleet that is made up came to, and what many did.

use std::collections::BTreeMap;

use engine::simulate::Outcome;
use serde::Serialize;

/// One simulation.
#[derive(Debug, Serialize)]
pub struct SimulationDocument<'a> {
    pub seed: u64,
    pub hosts: u32,
    pub outcome: &'a Outcome,
}

/// Many.
#[derive(Debug, Default, Serialize)]
pub struct SimulationsDocument {
    /// How often each status came out.
    pub statuses: BTreeMap<&'static str, u64>,
    /// The most hosts that were harmed in one of them.
    pub most_harmed: u32,
    /// In how many something was broken that must hold.
    pub broken: u64,
}
