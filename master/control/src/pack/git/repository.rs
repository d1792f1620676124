//! Where the repository of a work tree lies, as its files say. Nothing is run for it.
//!
//! Whether there is a work tree is seen from the files, not from git's answer: a git that fails
//! must not turn into "everything is packed".

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::libc;

/// Bytes of `.git` where it is a file, of `commondir` and of `HEAD`, at most.
const POINTER_BYTES: u64 = 4096;

/// A repository with a work tree.
pub(super) struct Repository {
    /// The directory that `.git` is in.
    pub(super) top: PathBuf,
    /// What is this work tree's own: `HEAD`, `index`.
    pub(super) directory: PathBuf,
    /// What all work trees of the repository share: `objects`, `refs`, `config`.
    pub(super) common: PathBuf,
}

impl Repository {
    /// The one whose work tree a directory is in; its path must be canonical.
    pub(super) fn above(directory: &Path) -> io::Result<Option<Self>> {
        for above in directory.ancestors() {
            if let Some(found) = Self::at(above)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The one whose work tree begins at `top`.
    pub(super) fn at(top: &Path) -> io::Result<Option<Self>> {
        let place = top.join(".git");
        if let Err(error) = place.symlink_metadata() {
            let none =
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
            return if none { Ok(None) } else { Err(error) };
        }
        let directory = if place.is_dir() {
            place
        } else {
            let text = pointer(&place)?;
            let named = text.strip_prefix("gitdir:").map(str::trim).filter(|path| !path.is_empty());
            let named = named.ok_or_else(|| io::Error::other(".git names no git directory"))?;
            top.join(named)
        };
        let common = match pointer(&directory.join("commondir")) {
            Ok(text) => directory.join(text.trim()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => directory.clone(),
            Err(error) => return Err(error),
        };
        Ok(Some(Self { top: top.to_owned(), directory, common }))
    }

    /// What `HEAD` says.
    pub(super) fn head(&self) -> io::Result<String> {
        pointer(&self.directory.join("HEAD"))
    }

    /// Whether it is `user`'s, the work tree and what git keeps of it.
    pub(super) fn belongs_to(&self, user: u32) -> io::Result<bool> {
        let owner = |path: &Path| path.metadata().map(|metadata: Metadata| metadata.uid());
        Ok(owner(&self.top)? == user && owner(&self.directory)? == user)
    }
}

/// The text of a small file. Never waits, not even at a FIFO, and follows no link at its end.
fn pointer(path: &Path) -> io::Result<String> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!("{} is not a file", path.display())));
    }
    let mut text = String::new();
    if file.take(POINTER_BYTES + 1).read_to_string(&mut text)? as u64 > POINTER_BYTES {
        return Err(io::Error::other(format!("{} is too long", path.display())));
    }
    Ok(text)
}
