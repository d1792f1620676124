//! How the rooms of the master put things to an operator: what can be done about an error and which
//! exit code goes with it, times and lengths of time, text from elsewhere, and the nearest name.
//!
//! Every room below the command line uses it. It prints nothing, and knows no host, no rollout and
//! no store.

mod exit;
mod failure;
mod failure_code;
mod nearest;
mod plain;
mod span;
mod when;

pub use exit::Exit;
pub use failure::{Explain, Failure};
pub use failure_code::FailureCode;
pub use nearest::nearest;
pub use plain::{plain, plain_json};
pub use span::span;
pub use when::{clock, when, when_if};
