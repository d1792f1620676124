//! A directory that only root and its owner can change, and its files, of which the same is so.
//!
//! Everything is opened first and looked at then, so that nothing can be put in its place in between;
//! no link is followed.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use pki::{IdentityError, check_key};

use super::EnrollError;
use crate::sys::fs::{open_directory, open_directory_at, open_file_at, read_open};

/// Bytes of a file, at most.
const FILE_BYTES: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Guarded {
    path: PathBuf,
    handle: File,
    /// Users who may own it, besides root.
    owners: Vec<u32>,
}

impl Guarded {
    /// Opens a directory of one of these owners, or of root.
    pub(super) fn open(path: &Path, owners: &[u32]) -> Result<Self, EnrollError> {
        Self::of(path.to_owned(), open_directory(path), owners)
    }

    /// Opens a directory in it.
    pub(super) fn directory(&self, name: &str) -> Result<Self, EnrollError> {
        Self::of(self.path.join(name), open_directory_at(&self.handle, name), &self.owners)
    }

    /// Reads a file in it.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, EnrollError> {
        let (file, _) = self.file(name)?;
        read_open(file, name, FILE_BYTES).map_err(self.unread(name))
    }

    /// Reads a file in it that its owner alone may read.
    pub(super) fn read_key(&self, name: &str) -> Result<Vec<u8>, EnrollError> {
        let (file, status) = self.file(name)?;
        check_key(&self.path.join(name), status.mode()).map_err(IdentityError::from)?;
        read_open(file, name, FILE_BYTES).map_err(self.unread(name))
    }

    /// An error about a file in it.
    pub(super) fn unread(&self, name: &str) -> impl FnOnce(io::Error) -> EnrollError + use<> {
        let path = self.path.join(name);
        move |source| EnrollError::Read { path, source }
    }

    fn file(&self, name: &str) -> Result<(File, Metadata), EnrollError> {
        let file = open_file_at(&self.handle, name).map_err(self.unread(name))?;
        let status = file.metadata().map_err(self.unread(name))?;
        check(&self.path.join(name), &status, &self.owners)?;
        Ok((file, status))
    }

    fn of(path: PathBuf, opened: io::Result<OwnedFd>, owners: &[u32]) -> Result<Self, EnrollError> {
        let looked = opened.map(File::from).and_then(|handle| Ok((handle.metadata()?, handle)));
        let (status, handle) =
            looked.map_err(|source| EnrollError::Read { path: path.clone(), source })?;
        check(&path, &status, owners)?;
        Ok(Self { path, handle, owners: owners.to_vec() })
    }
}

/// The bits of the group are also those of the users that an ACL names.
fn check(path: &Path, status: &Metadata, owners: &[u32]) -> Result<(), EnrollError> {
    let owner = status.uid();
    if owner != 0 && !owners.contains(&owner) {
        return Err(EnrollError::Foreign { path: path.to_owned(), owner });
    }
    if status.mode() & 0o022 != 0 {
        return Err(EnrollError::Open(path.to_owned()));
    }
    Ok(())
}
