//! `swarm demo`: a fleet on this machine, from nothing to a bad release that was taken back.
//!
//! Everything in it is real: the commands are this program's own, typed as a person would, against
//! updaters that run as processes of their own, on loopback addresses. Nothing is left behind.

mod agent;
mod fleet;
mod story;

pub use agent::{AgentArgs, AgentError, Mood, run_agent};
pub use fleet::DemoError;
pub use story::tell;
