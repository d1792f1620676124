//! How a rollout stands when it rests.

use engine::{HostResult, RolloutResult, State, describe_rollout, host_results};
use explain::Exit;
use protocol::Digest;
use store::RolloutId;

/// How it stands, and what each host came to.
#[derive(Debug, Clone)]
pub struct Summary {
    pub rollout: RolloutId,
    /// Who drove it.
    pub who: String,
    pub result: RolloutResult,
    /// The same in words: what it waits for, or why it ended.
    pub detail: String,
    pub plan: Digest,
    /// The release that was asked for; absent for "what each ran before".
    pub release: Option<Digest>,
    /// A result for each host, by name.
    pub hosts: Vec<HostResult>,
}

impl Summary {
    /// Sums a state up.
    pub fn of(rollout: RolloutId, state: &State) -> Self {
        Self {
            rollout,
            who: state.driver().to_owned(),
            result: state.result(),
            detail: describe_rollout(state),
            plan: state.plan().digest(),
            release: state.plan().target,
            hosts: host_results(state),
        }
    }

    /// What the shell is told.
    pub const fn exit(&self) -> Exit {
        match self.result {
            RolloutResult::Completed => Exit::Success,
            RolloutResult::Failed
            | RolloutResult::Unclear
            | RolloutResult::Aborted
            | RolloutResult::RolledBack => Exit::Failed,
            RolloutResult::Paused | RolloutResult::AwaitingApproval => Exit::Paused,
            RolloutResult::Interrupted => Exit::Interrupted,
        }
    }
}
