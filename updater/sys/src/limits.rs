//! Bounds that the kernel keeps for a process.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Bounds that the kernel keeps (setrlimit(2)); what is absent is not bounded. Where the updater
/// itself has less, that is what they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of address space, of each process.
    pub address_space: Option<u64>,
    /// Processes and threads, of all that the user runs; not for root.
    pub processes: Option<u64>,
    /// Open descriptors, of each process.
    pub open_files: Option<u64>,
    /// Bytes of each file that is written to.
    pub file_bytes: Option<u64>,
}

impl Limits {
    /// Sets them for this process. To be called between `fork` and `exec`: it allocates nothing.
    pub(super) fn apply(self) -> io::Result<()> {
        for (resource, wanted) in [
            (Resource::RLIMIT_AS, self.address_space),
            (Resource::RLIMIT_NPROC, self.processes),
            (Resource::RLIMIT_NOFILE, self.open_files),
            (Resource::RLIMIT_FSIZE, self.file_bytes),
        ] {
            if let Some(wanted) = wanted {
                // Only a process with CAP_SYS_RESOURCE could raise the hard limit.
                let bound = wanted.min(getrlimit(resource)?.1);
                setrlimit(resource, bound, bound)?;
            }
        }
        Ok(())
    }
}
