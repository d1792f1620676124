//! Two agents at once, so that one can follow the other while it still serves.

use std::fmt::Debug;
use std::time::Duration;

use super::{Instance, Killed, Launch, RunnerError};

/// The variable by which an agent learns that another one still serves beside it.
pub(super) const BESIDE: &str = "RELEASE_HANDOVER";

/// What a runner that can do so does with a second agent beside the one that serves. All of it
/// blocks; for a plain thread.
pub trait Handover: Debug + Send + Sync {
    /// Takes hold of what both agents listen on. Nothing that runs notices; an error says that no
    /// handover can be.
    fn prepare(&self) -> Result<(), RunnerError>;

    /// Starts a release beside the one that serves. What is left of an earlier one there is ended
    /// before.
    fn start_beside(&self, launch: &Launch) -> Result<Instance, RunnerError>;

    /// The agent that runs beside the one that serves, started by this updater or an earlier one.
    fn find_beside(&self) -> Result<Option<Instance>, RunnerError>;

    /// Whether one was started there, and neither ended by the updater nor made the one that
    /// serves. It may be dead.
    fn has_beside(&self) -> Result<bool, RunnerError>;

    /// Ends whatever was last started beside. When this returns, nothing of it is left; it says what had
    /// to be killed.
    fn clear_beside(&self, grace: Duration) -> Result<Option<Killed>, RunnerError>;

    /// Makes the agent beside the one that serves, whose predecessor is gone.
    fn promote(&self) -> Result<(), RunnerError>;

    /// Closes what agents listen on, as far as the updater holds it: none is meant to run.
    fn let_go(&self);
}
