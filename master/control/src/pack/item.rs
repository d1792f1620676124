//! What an archive is made of.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// One entry of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    File {
        executable: bool,
        stamp: Stamp,
    },
    /// A symbolic link, and where it leads.
    Link(String),
    /// A directory with nothing in it.
    Directory,
}

/// What a file is known by again: if anything of it differs, it may not be what it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
