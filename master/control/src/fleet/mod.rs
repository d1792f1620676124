//! The hosts as they are now: how they are reached, what they run, what they wait for.
//!
//! Nothing here changes what a host runs, and nothing here is remembered.

mod ask;
mod check;
mod connect;
mod drill;
mod epochs;
mod error;
mod expected;
mod host_log;
mod status;
mod why_text;

pub use ask::{TaskPanicked, ask_hosts};
pub use check::{CheckedHost, check};
pub use connect::{Fleet, Member};
pub use drill::{HostDrill, drill, record_drill};
pub use epochs::{SeenEpochs, seen_epochs};
pub use error::FleetError;
pub use expected::{Expected, HeldBy, Known, Missed, known};
pub use host_log::{LogEntry, host_history, host_log};
pub use status::{AppStatus, HostStatus, status};
pub use why_text::{Why, why};
