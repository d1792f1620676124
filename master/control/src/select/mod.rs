//! Which hosts are meant, and in which order.
//!
//! Pure but for the files that a pattern names: it is given the hosts, and asks none.

mod choice;
mod error;
mod host_file;
mod operator;
mod pattern;
mod position;
#[cfg(test)]
mod property;
mod split;
mod term;

pub use choice::{Chosen, HostOrder, Selected, Selection};
pub use error::SelectError;
pub use pattern::Pattern;
