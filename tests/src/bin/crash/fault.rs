//! What happens to a call.

use clap::ValueEnum;
use fleet_tests::faults::{Act, Call, Fault};
use nix::errno::Errno;
use protocol::{Code, Problem};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// The updater is killed there.
    Kill,
    /// The disk is full.
    Enospc,
    /// The disk is broken.
    Eio,
    /// The updater has no descriptors left.
    Emfile,
    /// The updater may not.
    Eacces,
    /// A signal came.
    Eintr,
    /// Only a part is written.
    Short,
}

impl Kind {
    /// Whether this can happen to a call.
    pub(crate) fn befalls(self, call: &Call) -> bool {
        let (act, writes) = (call.act, call.act == Act::Write);
        let (changes, syncs) = (act.changes(), act == Act::Sync);
        match self {
            // Where nothing changes, nothing is lost that was not lost one call later.
            Self::Kill => changes || syncs,
            Self::Enospc => (changes && !REMOVES.contains(&call.name)) || syncs,
            Self::Eio => true,
            Self::Emfile => act.opens(),
            // The right to write was given when the file was opened.
            Self::Eacces => act.opens() || (act == Act::Change && !BY_FILE.contains(&call.name)),
            Self::Eintr => act.opens() || syncs || writes,
            Self::Short => writes && call.name != "writev",
        }
    }

    /// What the supervisor does.
    pub(crate) fn fault(self) -> Fault {
        match self {
            Self::Kill => Fault::Kill,
            Self::Enospc => Fault::Error(Errno::ENOSPC),
            Self::Eio => Fault::Error(Errno::EIO),
            Self::Emfile => Fault::Error(Errno::EMFILE),
            Self::Eacces => Fault::Error(Errno::EACCES),
            Self::Eintr => Fault::Error(Errno::EINTR),
            Self::Short => Fault::Short,
        }
    }

    /// Whether the updater is gone after it.
    pub(crate) const fn is_death(self) -> bool {
        matches!(self, Self::Kill)
    }

    /// Whether an order may end with this problem because of it.
    pub(crate) fn explains(self, problem: &Problem) -> bool {
        match problem.code {
            Code::RolledBack => problem.rolled_back == Some(true),
            Code::NoSpace => self == Self::Enospc,
            Code::Internal => !matches!(self, Self::Enospc | Self::Short),
            _ => false,
        }
    }
}

/// Calls that give space back.
const REMOVES: [&str; 4] = ["unlink", "unlinkat", "rmdir", "ftruncate"];

/// Calls on an open file.
const BY_FILE: [&str; 4] = ["ftruncate", "fallocate", "copy_file_range", "sendfile"];
