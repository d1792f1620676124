//! What a release has run around its switch: hooks, and the commands of its migration.
//!
//! They are foreign code: they run as the app's user, in the release, within bounds of time and
//! output, and nothing that they start outlives them. What follows from a failure is not decided here.

mod hook;
mod migration;
mod run;

pub use hook::Hook;
pub use migration::Migration;
pub use run::{CommandContext, CommandError, run};
