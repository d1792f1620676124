//! What happens to a call.

use clap::ValueEnum;
use fleet_tests::faults::{Call, Effect, Fault};
use fleet_tests::volume::FileSystem;
use nix::errno::Errno;
use protocol::{Code, Problem};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum FaultKind {
    /// The updater is killed there.
    Kill,
    /// The power of the machine goes there, whose disk is an ext4.
    PowerExt4,
    /// The same on an XFS.
    PowerXfs,
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

impl FaultKind {
    /// Whether this can happen to a call.
    pub(crate) fn befalls(self, call: &Call) -> bool {
        let (act, writes) = (call.act, call.act == Effect::Write);
        let (changes, syncs) = (act.changes(), act == Effect::Sync);
        match self {
            // Where nothing changes, nothing is lost that was not lost one call later.
            Self::Kill | Self::PowerExt4 | Self::PowerXfs => changes || syncs,
            Self::Enospc => (changes && !REMOVES.contains(&call.name)) || syncs,
            // A read that fails is told like the opening before it: once a file is enough.
            Self::Eio => act != Effect::Read || call.number == 1,
            Self::Emfile => act.opens(),
            // The right to write was given when the file was opened.
            Self::Eacces => act.opens() || (act == Effect::Change && !BY_FILE.contains(&call.name)),
            Self::Eintr => act.opens() || syncs || writes,
            Self::Short => writes && call.name != "writev",
        }
    }

    /// What the interceptor does, where `cut` takes the power away.
    pub(crate) fn fault(self, cut: impl FnMut() + Send + 'static) -> Fault {
        match self {
            Self::Kill => Fault::Kill,
            Self::PowerExt4 | Self::PowerXfs => Fault::Do(Box::new(cut)),
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
        matches!(self, Self::Kill | Self::PowerExt4 | Self::PowerXfs)
    }

    /// The file system that has to lose its power.
    pub(crate) const fn disk(self) -> Option<FileSystem> {
        match self {
            Self::PowerExt4 => Some(FileSystem::Ext4),
            Self::PowerXfs => Some(FileSystem::Xfs),
            _ => None,
        }
    }

    /// Whether an order may end with this problem because of it.
    pub(crate) fn explains(self, problem: &Problem) -> bool {
        match problem.code {
            Code::RolledBack => problem.rolled_back == Some(true),
            Code::NoSpace => self == Self::Enospc,
            // The latter where the call kept a hook from being run.
            Code::Internal | Code::HookFailed => !matches!(self, Self::Enospc | Self::Short),
            // Whatever it is that the new updater met.
            Code::SelfUpdateFailed => true,
            _ => false,
        }
    }
}

/// Calls that give space back.
const REMOVES: [&str; 4] = ["unlink", "unlinkat", "rmdir", "ftruncate"];

/// Calls on an open file.
const BY_FILE: [&str; 4] = ["ftruncate", "fallocate", "copy_file_range", "sendfile"];
