//! Which hosts are meant: `--all`, `--host` and `--select`.
//!
//! Pure: it is given the hosts, and reads nothing.

mod choice;
mod error;
mod nearest;
mod pattern;

pub use choice::{Selected, SelectionArgs, SelectionOrAll};
pub use error::SelectError;
pub use nearest::nearest;
pub use pattern::Pattern;
