//! What a command may use, and which of its bounds it met.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use protocol::Space;

use super::fs::free_space;

/// What a command may use.
#[derive(Debug, Clone, Copy)]
pub struct CommandBounds<'a> {
    /// How long it may run.
    pub timeout: Duration,
    /// Bytes of its output that are read before it is ended.
    pub output_bytes: u64,
    /// Directories on whose disks there must stay room, and how much.
    pub room: Option<(&'a [&'a Path], Space)>,
    /// Whether the caller has asked for the command to be ended.
    pub until: Option<StopCheck<'a>>,
}

/// Says whether the caller wants a command to be ended. It is called every now and then, and must be
/// quick.
#[derive(Clone, Copy)]
pub struct StopCheck<'a>(pub &'a dyn Fn() -> bool);

/// One of the bounds. It reads as what the command did not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    Time(Duration),
    /// Bytes of its output.
    Output(u64),
    /// Room on a disk.
    Room {
        /// What must stay free.
        needed: Space,
        free: Space,
    },
    StopRequested,
}

impl CommandBounds<'_> {
    /// A bound that a command has met which has so long left, and has printed so many bytes.
    pub(super) fn met(&self, left: Duration, printed: u64) -> Option<Bound> {
        if printed > self.output_bytes {
            return Some(Bound::Output(self.output_bytes));
        }
        if left.is_zero() {
            return Some(Bound::Time(self.timeout));
        }
        let asked = || self.until.is_some_and(|until| until.0()).then_some(Bound::StopRequested);
        self.lacks_room().or_else(asked)
    }

    /// Whether it has bounds that are met while nothing of the command is heard.
    pub(super) const fn need_a_look(&self) -> bool {
        self.room.is_some() || self.until.is_some()
    }

    fn lacks_room(&self) -> Option<Bound> {
        let (places, needed) = self.room?;
        places
            .iter()
            .filter_map(|place| free_space(place).ok())
            .find(|free| free.bytes < needed.bytes || free.inodes < needed.inodes)
            .map(|free| Bound::Room { needed, free })
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(timeout) => write!(formatter, "finish within {timeout:?}"),
            Self::Output(limit) => write!(formatter, "finish within {limit} bytes of output"),
            Self::Room { needed: Space { bytes, inodes }, .. } => {
                write!(formatter, "leave {bytes} bytes and {inodes} inodes of the disk free")
            }
            Self::StopRequested => formatter.write_str("finish before it was asked to stop"),
        }
    }
}

impl fmt::Debug for StopCheck<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StopCheck")
    }
}
