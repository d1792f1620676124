//! How a rollout stands when it rests: the last line of its stream.

use engine::{Row, State, rows, waits_for};
use explain::Exit;
use protocol::Digest;
use serde::Serialize;
use store::{RolloutId, RolloutResult};

use crate::rollout::history::result;

/// How it stands, and what each host came to.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Always `rollout.summary`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub rollout: RolloutId,
    pub result: RolloutResult,
    /// The same in words: what it waits for, or why it ended.
    pub detail: String,
    pub plan: Digest,
    /// The release that was asked for; absent for "what each ran before".
    pub release: Option<Digest>,
    /// A row for each host, by name.
    pub hosts: Vec<Row>,
}

impl Summary {
    /// Sums a state up.
    pub fn of(rollout: RolloutId, state: &State) -> Self {
        Self {
            kind: "rollout.summary",
            rollout,
            result: result(state),
            detail: waits_for(state),
            plan: state.plan().digest(),
            release: state.plan().target,
            hosts: rows(state),
        }
    }

    /// What the shell is told.
    pub const fn exit(&self) -> Exit {
        match self.result {
            RolloutResult::Completed => Exit::Success,
            RolloutResult::Failed | RolloutResult::Aborted | RolloutResult::RolledBack => {
                Exit::Failed
            }
            RolloutResult::Paused | RolloutResult::AwaitingApproval => Exit::Paused,
            RolloutResult::Interrupted => Exit::Interrupted,
        }
    }
}
