//! What the tests of the master's rooms begin with: plans, hosts, rollouts, and a scripted fleet that the
//! engine drives.
//!
//! No product code depends on it, and it mocks no component: the engine that it drives is the real one.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

mod host;
mod rig;
mod rollout;

pub use host::host;
pub use rig::{Fate, NEW, OLD, Rig, here, name, plan_of, policy, run};
pub use rollout::{at, driver, rollout};
