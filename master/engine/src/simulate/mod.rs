//! A simulated fleet: the engine that drives real hosts, against hosts, networks and people that are
//! made up from a seed, in a time that is made up too. Nothing here waits, and a seed comes to the
//! same on every machine.
//!
//! What must hold of every rollout is in `laws`.

mod chance;
mod fate;
mod faults;
mod host;
mod journal;
mod laws;
mod names;
mod network;
mod outcome;
mod plan;
mod queue;
mod rate;
mod run;
mod scenario;
mod scene;
#[cfg(test)]
mod tests;
mod worker;
mod world;

pub use faults::Faults;
pub use outcome::Outcome;
pub use rate::{Rate, RateError};
pub use run::run;
pub use scenario::{Answer, Scenario};
