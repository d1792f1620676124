//! A simulated fleet: the engine that drives real hosts, against hosts, networks and operators that are
//! made up from a seed, in a time that is made up too. Nothing here waits, and a seed comes to the
//! same on every machine.
//!
//! What must hold of every rollout is in `invariants`.

mod executor;
mod faults;
mod fleet;
mod host_behaviour;
mod invariants;
mod journal;
mod ledger;
mod names;
mod network;
mod outcome;
mod plan;
mod queue;
mod random;
mod rate;
mod run;
mod scenario;
mod simulated_host;
mod simulation_state;
#[cfg(test)]
mod tests;

pub use faults::Faults;
pub use outcome::Outcome;
pub use rate::{Rate, RateError};
pub use run::run;
pub use scenario::{Answer, Scenario};
