//! Where a rollout stands.

use std::fmt;

use protocol::HostName;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::Trip;

/// The states of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It has been planned, and nobody has driven it yet.
    Planned,
    /// Somebody has to agree.
    AwaitingApproval(Gate),
    /// It goes on by itself.
    Running,
    /// Somebody has to say how it goes on.
    Paused(Pause),
    /// It takes back what it did.
    RollingBack,
    /// Every host is as asked.
    Completed,
    /// Some host is not, or could not be taken back.
    Failed,
    /// It was ended before it had come to all hosts.
    Aborted,
    /// Every host that it had updated runs again what it ran before.
    RolledBack,
}

/// What a running rollout is doing. It is kept while it is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// All hosts are looked at before the first is touched.
    Preflight,
    /// The hosts of a batch are updated.
    Batch,
    /// The next batch is due at this time.
    Between(OffsetDateTime),
}

/// What somebody agrees to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    Start,
    /// That this batch (from 1) begins.
    Batch(usize),
}

/// Why a rollout waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    /// Somebody asked for it.
    Asked {
        who: String,
    },
    /// The process that drove it was asked to end.
    Interrupted,
    Tripped(Trip),
    /// A host failed, and whether the release is to blame is not clear.
    Unclear {
        host: HostName,
        code: String,
    },
}

impl Status {
    /// The name on the wire and on the screen.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::AwaitingApproval(_) => "awaiting_approval",
            Self::Running => "running",
            Self::Paused(_) => "paused",
            Self::RollingBack => "rolling_back",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::RolledBack => "rolled_back",
        }
    }

    /// Whether no host is started any more, ever.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Aborted | Self::RolledBack)
    }

    /// Whether it waits for somebody.
    pub const fn is_a_question(&self) -> bool {
        matches!(self, Self::AwaitingApproval(_) | Self::Paused(_))
    }
}

impl Pause {
    /// Whether somebody has to decide, and not only to let it go on.
    pub const fn asks_how(&self) -> bool {
        matches!(self, Self::Tripped(_) | Self::Unclear { .. })
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => formatter.write_str("the start"),
            Self::Batch(batch) => write!(formatter, "batch {batch}"),
        }
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked { who } => write!(formatter, "{who} asked for it"),
            Self::Interrupted => formatter.write_str("the process that drove it was interrupted"),
            Self::Tripped(trip) => write!(formatter, "{trip}"),
            Self::Unclear { host, code } => {
                write!(formatter, "{host} failed ({code}), and why is not clear")
            }
        }
    }
}
