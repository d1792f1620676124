//! An updater that is killed at any checkpoint of anything that it does, and killed again while
//! the next one recovers. Which checkpoints there are is found by going on to the next one until
//! there is none, so that a new one cannot be forgotten.

mod crashed_host;
mod master;
mod point;
mod scenario;
mod sweep;

pub use crashed_host::CrashedHost;
pub use master::kill_master_after_every;
pub use point::{Killed, Point};
pub use scenario::Scenario;
pub use sweep::{SweepResult, checkpoints_passed, sample, sweep_once, sweep_recovery};
