//! Carries a transaction out, phase by phase: one file a phase, or a few that belong together.
//!
//! The state machine decides what comes next; nothing here does. No phase calls another one.

mod build;
mod end_predecessor;
mod finish;
mod log_lines;
mod migrate;
mod outcome;
mod prove;
mod receive;
mod release_command;
mod resume;
mod run;
mod start_beside;
mod state;
mod successor;
mod switch;
mod taken_port;

pub(super) use finish::Ended;
pub(super) use state::Engine;
