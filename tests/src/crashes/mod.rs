//! An updater that is killed at any checkpoint of anything that it does, and killed again while
//! the next one recovers. Which checkpoints there are is found by going on to the next one until
//! there is none, so that a new one cannot be forgotten.

mod point;
mod scenario;
mod stand;
mod sweep;

pub use point::{Killed, Point};
pub use scenario::Scenario;
pub use stand::CrashedHost;
pub use sweep::{Swept, passed, sample, sweep_twice};
