//! What a rollout has come to when it goes on no more by itself, or was left.

use serde::{Deserialize, Serialize};

use crate::{Pause, State, Status};

/// How a rollout ended, or what it waits for.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum RolloutResult {
    /// Every host runs what it was asked to run.
    Completed,
    /// Some host does not, or could not be taken back.
    Failed,
    /// What became of the order of some host is not known, and all others run what they were asked to run.
    Unclear,
    /// The process that drove it was stopped before all hosts had their turn. It can be resumed.
    Interrupted,
    /// An operator has to decide how it goes on.
    Paused,
    /// An operator has to approve that it goes on.
    AwaitingApproval,
    /// It was ended before all hosts had their turn.
    Aborted,
    /// Every host that it had updated was taken back.
    RolledBack,
}

impl State {
    /// What it has come to, if it is left as it is now.
    pub const fn result(&self) -> RolloutResult {
        match self.status().0 {
            Status::Completed => RolloutResult::Completed,
            Status::Failed => RolloutResult::Failed,
            Status::Unclear => RolloutResult::Unclear,
            Status::Aborted => RolloutResult::Aborted,
            Status::RolledBack => RolloutResult::RolledBack,
            Status::AwaitingApproval(_) => RolloutResult::AwaitingApproval,
            Status::Paused(Pause::Interrupted)
            | Status::Planned
            | Status::Running
            | Status::RollingBack => RolloutResult::Interrupted,
            Status::Paused(_) => RolloutResult::Paused,
        }
    }
}
