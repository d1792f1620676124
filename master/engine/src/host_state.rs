//! Where one host stands in a rollout.

use protocol::Phase;
use time::OffsetDateTime;

use crate::{HostResult, Observation};

/// A host of a rollout.
#[derive(Debug, Clone, PartialEq)]
pub struct HostState {
    pub activity: HostActivity,
    pub since: OffsetDateTime,
    /// When its order will have taken too long; none once it has, and the host was asked for the last
    /// time.
    pub(super) due: Option<OffsetDateTime>,
    /// The last observation, and its time.
    pub observation: Option<(OffsetDateTime, Observation)>,
    /// Whether it was asked once more what became of an order that was left as unclear.
    pub(super) asked_again: bool,
    /// What it came to, as far as that is known.
    pub result: Option<Box<HostResult>>,
}

/// What is being done on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostActivity {
    /// It waits for its turn.
    Pending,
    Observing,
    /// It is updated; its transaction is in this phase.
    Updating(Phase),
    /// The release is good there; its updater is being replaced.
    UpdatingSelf,
    /// It is taken back to what it ran before.
    RollingBack(Phase),
    /// It is asked once more what became of its order, which nobody waits for any more.
    Querying,
    /// It has its result.
    Done,
}

impl HostActivity {
    /// Whether a command is out, and an answer is waited for.
    pub const fn is_under_way(self) -> bool {
        !matches!(self, Self::Pending | Self::Done)
    }

    /// Whether the host has its order.
    pub(super) const fn is_order(self) -> bool {
        matches!(
            self,
            Self::Updating(_) | Self::UpdatingSelf | Self::RollingBack(_) | Self::Querying
        )
    }

    /// What the host is doing for a command that changes something there.
    pub(super) fn name_of_order(self) -> Option<&'static str> {
        match self {
            Self::Pending | Self::Observing | Self::Done => None,
            Self::Querying => Some("asked for its end"),
            Self::Updating(phase) | Self::RollingBack(phase) => Some(phase.into_str()),
            Self::UpdatingSelf => Some("updating_self"),
        }
    }
}

impl HostState {
    pub(super) const fn new(
        since: OffsetDateTime,
        observation: Option<(OffsetDateTime, Observation)>,
        result: Option<Box<HostResult>>,
    ) -> Self {
        let activity = if result.is_some() { HostActivity::Done } else { HostActivity::Pending };
        Self { activity, since, due: None, observation, asked_again: false, result }
    }

    /// The phase of its transaction, where [`Self::name`] does not say it already.
    pub const fn phase(&self) -> Option<Phase> {
        match self.activity {
            HostActivity::Updating(Phase::Watching) => None,
            HostActivity::Updating(phase) | HostActivity::RollingBack(phase) => Some(phase),
            _ => None,
        }
    }

    /// The name on the wire and on the screen.
    pub fn name(&self) -> &'static str {
        match self.activity {
            HostActivity::Pending => "pending",
            HostActivity::Observing => "preflight",
            HostActivity::Querying => "querying",
            HostActivity::Updating(Phase::Watching) => "watching",
            HostActivity::Updating(_) => "updating",
            HostActivity::UpdatingSelf => "updating_self",
            HostActivity::RollingBack(_) => "rolling_back",
            HostActivity::Done => {
                self.result.as_ref().map_or("done", |result| result.outcome.into_str())
            }
        }
    }
}
