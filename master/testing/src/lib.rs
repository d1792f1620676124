//! What the tests of the master's rooms begin with: plans, hosts, rollouts, and a scripted fleet that the
//! engine drives.
//!
//! No product code depends on it, and it mocks no component: the engine that it drives is the real one.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

mod host;
mod scripted_rollout;
mod store;

pub use self::store::{at, driver, path_and_store, rollout};
pub use host::host;
pub use scripted_rollout::{
    HostScript, NEW, OLD, ScriptedRollout, here, name, plan_of, policy, run,
};
