//! Which hosts are meant, and in which order.
//!
//! Pure but for the files that a pattern names: it is given the hosts, and asks none.

mod choice;
mod condition;
mod error;
mod host_file;
mod pattern;
mod position;
#[cfg(test)]
mod property_tests;
mod reserved;
mod set_operator;
mod split;

pub use choice::{Chosen, HostOrder, Selected, Selection};
pub use error::SelectError;
pub use pattern::Pattern;
pub use reserved::{is_reserved, reserved_warning};
