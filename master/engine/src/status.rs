//! Where a rollout stands, and why it waits.

use std::fmt;

use protocol::HostName;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{ResultCode, Trip};

/// The states of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr, strum::VariantNames)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Status {
    /// No process has driven it yet.
    Planned,
    /// An operator has to approve that it goes on.
    AwaitingApproval(Gate),
    /// It goes on by itself.
    Running,
    /// An operator has to resume it, or to decide how it goes on.
    Paused(Pause),
    /// It takes the hosts back that it updated.
    RollingBack,
    /// Every host runs what it was asked to run.
    Completed,
    /// Some host does not, or could not be taken back.
    Failed,
    /// All that is known is as it was asked for, and of some host it is not known what became of its order.
    Unclear,
    /// It was ended before all hosts had their turn.
    Aborted,
    /// Every host that it had updated runs again what it ran before.
    RolledBack,
}

/// What a running rollout is doing. It is kept while it is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// All hosts are observed before the first is touched.
    Preflight,
    /// The hosts of a batch are updated.
    Batch,
    /// The next batch is due at this time.
    BetweenBatches(OffsetDateTime),
    /// Hosts of which it is not known what became of their order are asked once more.
    Closing,
}

/// What an operator approves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    Start,
    /// The beginning of this batch, from 1.
    Batch(usize),
}

/// Why a rollout is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    /// An operator asked for it.
    #[serde(rename = "asked")]
    Requested {
        who: String,
    },
    /// The process that drove it was asked to end.
    Interrupted,
    Tripped(Trip),
    /// A host failed, and whether the release is to blame is not clear; or what became of its order is not
    /// known.
    Unclear {
        host: HostName,
        code: ResultCode,
    },
}

impl Status {
    /// Whether no host is started any more, ever.
    pub const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Unclear | Self::Aborted | Self::RolledBack
        )
    }

    /// Whether it waits for an operator.
    pub const fn awaits_operator(&self) -> bool {
        matches!(self, Self::AwaitingApproval(_) | Self::Paused(_))
    }
}

impl Pause {
    /// Whether an operator has to decide how it goes on, and cannot simply resume it.
    pub const fn needs_decision(&self) -> bool {
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
            Self::Requested { who } => write!(formatter, "{who} asked for it"),
            Self::Interrupted => formatter.write_str("the process that drove it was interrupted"),
            Self::Tripped(trip) => write!(formatter, "{trip}"),
            Self::Unclear { host, code } if code.says_nothing_of_the_end() => {
                write!(formatter, "what became of {host} is not known ({code})")
            }
            Self::Unclear { host, code } => {
                write!(formatter, "{host} failed ({code}), and why is not clear")
            }
        }
    }
}
