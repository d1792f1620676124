//! Where one host stands in a rollout.

use protocol::Phase;
use time::OffsetDateTime;

use crate::{Observation, Row};

/// A host of a rollout.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    pub status: HostStatus,
    pub since: OffsetDateTime,
    /// When its order will have taken too long; none once it has, and was asked for the last time.
    pub(super) due: Option<OffsetDateTime>,
    /// How it was when it was last looked at, and when that was.
    pub seen: Option<(OffsetDateTime, Observation)>,
    /// Whether the release was put on its disk ahead.
    pub staged: bool,
    /// What it came to, as far as that is known.
    pub row: Option<Box<Row>>,
}

/// The states of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostStatus {
    /// It waits for its turn.
    Pending,
    /// It is being looked at.
    Preflight,
    /// It is being given the release ahead.
    Staging,
    /// It is being updated; its transaction is in this phase.
    Updating(Phase),
    /// The release is good there; its updater is being replaced.
    UpdatingSelf,
    /// It is being taken back to what it ran before.
    Returning(Phase),
    /// It has its row.
    Done,
}

impl HostStatus {
    /// What an order is about to do there, if one is out.
    pub(super) const fn under_way(self) -> Option<&'static str> {
        match self {
            Self::Pending | Self::Preflight | Self::Done => None,
            Self::Staging => Some("staging"),
            Self::Updating(phase) | Self::Returning(phase) => Some(phase.name()),
            Self::UpdatingSelf => Some("updating_self"),
        }
    }
}

impl Host {
    pub(super) const fn new(
        since: OffsetDateTime,
        seen: Option<(OffsetDateTime, Observation)>,
        row: Option<Box<Row>>,
    ) -> Self {
        let status = if row.is_some() { HostStatus::Done } else { HostStatus::Pending };
        Self { status, since, due: None, seen, staged: false, row }
    }

    /// The phase of its transaction, if it is in one and its state does not say it already.
    pub const fn phase(&self) -> Option<Phase> {
        match self.status {
            HostStatus::Updating(Phase::Watching) => None,
            HostStatus::Updating(phase) | HostStatus::Returning(phase) => Some(phase),
            _ => None,
        }
    }

    /// The name on the wire and on the screen.
    pub fn name(&self) -> &'static str {
        match self.status {
            HostStatus::Pending if self.staged => "staged",
            HostStatus::Pending => "pending",
            HostStatus::Preflight => "preflight",
            HostStatus::Staging => "staging",
            HostStatus::Updating(Phase::Watching) => "watching",
            HostStatus::Updating(_) => "updating",
            HostStatus::UpdatingSelf => "updating_self",
            HostStatus::Returning(_) => "rolling_back",
            HostStatus::Done => self.row.as_ref().map_or("done", |row| row.outcome.name()),
        }
    }
}

impl HostStatus {
    /// Whether a command is out, and an answer is waited for.
    pub const fn is_under_way(self) -> bool {
        !matches!(self, Self::Pending | Self::Done)
    }

    /// Whether the host has its order.
    pub(super) const fn is_ordered(self) -> bool {
        matches!(self, Self::Updating(_) | Self::UpdatingSelf | Self::Returning(_))
    }
}
