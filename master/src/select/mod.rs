//! Which hosts are meant, and in which order: `--all`, `--host`, `--select` and `--order`.
//!
//! Pure but for the files that a pattern names: it is given the hosts, and asks nobody.

mod choice;
mod error;
mod host_file;
mod nearest;
mod pattern;
mod position;
#[cfg(test)]
mod property;
mod split;
mod term;

pub use choice::{HostOrder, Selected, SelectionArgs, SelectionOrAll};
pub use error::SelectError;
pub use nearest::nearest;
pub use pattern::Pattern;
