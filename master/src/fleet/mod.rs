//! The hosts as they are now: how they are reached, what they run, what they wait for.
//!
//! Only asks. Nothing here changes a host, and nothing here is remembered.

mod connect;
mod error;
mod status;
mod why;

pub use connect::{Fleet, Member};
pub use error::FleetError;
pub use status::{AppStatus, HostStatus, status};
pub use why::{Why, why};
