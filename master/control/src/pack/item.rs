//! What an archive is made of.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use protocol::PATH_BYTES;

use crate::pack::PackError;
use crate::pack::git::Tracked;
use crate::pack::head::head;

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

impl Item {
    /// What lies at `place`. Where the file system has no modes or no links, git's word counts.
    pub(super) fn at(
        place: &Path,
        path: &str,
        metadata: &Metadata,
        tracked: Option<&Tracked>,
    ) -> Result<Self, PackError> {
        let kind = metadata.file_type();
        let tracked = tracked.copied().unwrap_or_default();
        let not_text = || PackError::refused(path, "the link's target is not UTF-8");
        if kind.is_file() && tracked.is_link && metadata.len() <= PATH_BYTES as u64 {
            let target = head(place).map_err(PackError::read(place))?;
            return String::from_utf8(target).map(Self::Link).map_err(|_| not_text());
        }
        if kind.is_file() {
            let executable = tracked.executable.unwrap_or(metadata.mode() & 0o100 != 0);
            return Ok(Self::File { executable, stamp: Stamp::of(metadata) });
        }
        if kind.is_symlink() {
            let target = std::fs::read_link(place).map_err(PackError::read(place))?;
            return target.to_str().map(|it| Self::Link(it.to_owned())).ok_or_else(not_text);
        }
        if kind.is_dir() {
            return Err(PackError::Submodule(path.to_owned()));
        }
        Err(PackError::refused(path, "it is neither a file, a directory nor a link"))
    }
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
