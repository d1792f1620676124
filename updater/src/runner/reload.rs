//! Telling an agent that runs to follow another release.

use super::{Instance, Launch, RunnerError};

/// How that is done. It blocks; for a plain thread.
pub trait Reload {
    /// Whether there is an agent that can be told to follow this release.
    fn is_possible(&self, launch: &Launch) -> Result<bool, RunnerError>;

    /// Tells it, and waits until its own command for that has ended well.
    fn reload(&self, launch: &Launch) -> Result<Instance, RunnerError>;
}
