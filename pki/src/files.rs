//! Reading keys and certificates, and what can go wrong with their files.
//!
//! Never reads a key that others can read, nor more than a key or a certificate can have.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::mem;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::Paths;

/// More than any key or chain of certificates has; a file of this size is something else.
const LONGEST: u64 = 1 << 20;

/// What went wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is something where a new directory was to be made.
    #[error("make {path}: it is there already, and is never overwritten", path = .0.display())]
    AlreadyThere(PathBuf),
    /// A run was cut short, and left a directory that was never used; or it is still at it.
    #[error(
        "make {path}: another run was cut short there, or is under way; if none is, run: rm -r {litter}",
        path = .path.display(), litter = .litter.display()
    )]
    Litter {
        /// The directory that was to be made.
        path: PathBuf,
        /// What the other run left.
        litter: PathBuf,
    },
    /// Others than its owner may use the key.
    #[error(
        "use {path}: others may read or change it (mode {mode:04o}); run: chmod 600 {path}",
        path = .path.display()
    )]
    Loose {
        /// The key.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is far larger than a key or a certificate.
    #[error("read {path}: it is too large for a key or a certificate", path = .0.display())]
    TooLarge(PathBuf),
    /// It could not be read.
    #[error("read {path}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be written.
    #[error("write {path}", path = .path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What is in the three files of an identity, and where that was. It does not show the key, which is
/// wiped when it is dropped.
pub struct IdentityFiles {
    pub(crate) paths: Paths,
    pub(crate) ca: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Zeroizing<Vec<u8>>,
}

impl IdentityFiles {
    /// Whether both come with the same CA's certificate.
    pub fn have_the_same_authority(&self, other: &Self) -> bool {
        self.ca == other.ca
    }

    /// Of files that were read elsewhere. `paths` is for errors only.
    pub fn new(paths: Paths, ca: Vec<u8>, certificate: Vec<u8>, key: Vec<u8>) -> Self {
        Self { paths, ca, certificate, key: Zeroizing::new(key) }
    }

    /// Reads them. Only its owner may be able to read the key.
    pub fn read(paths: &Paths) -> Result<Self, FileError> {
        Ok(Self {
            ca: read(&paths.ca)?,
            certificate: read(&paths.certificate)?,
            key: read_key(&paths.key)?,
            paths: paths.clone(),
        })
    }
}

impl fmt::Debug for IdentityFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("IdentityFiles").field("paths", &self.paths).finish_non_exhaustive()
    }
}

/// Reads a certificate or any other file that is no secret.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(unread(path))?;
    read_open(path, file).map(|mut bytes| mem::take(&mut *bytes))
}

/// Reads a key or another secret, if its owner alone may. The file that is looked at is the file that
/// is read.
pub fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = File::open(path).map_err(unread(path))?;
    check_key(path, file.metadata().map_err(unread(path))?.permissions().mode())?;
    read_open(path, file)
}

/// Refuses a key of a mode that lets anybody but its owner read or change it.
pub fn check_key(path: &Path, mode: u32) -> Result<(), FileError> {
    let mode = mode & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FileError::Loose { path: path.to_owned(), mode });
    }
    Ok(())
}

fn read_open(path: &Path, file: File) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let length = file.take(LONGEST).read_to_end(&mut bytes).map_err(unread(path))?;
    if length as u64 == LONGEST {
        return Err(FileError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

fn unread(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_loose_key_is_refused_with_the_command_that_helps() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("x.key");
        fs::write(&path, "key").unwrap();
        for loose in [0o640, 0o604, 0o620, 0o601, 0o644, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(loose)).unwrap();
            let error = read_key(&path).unwrap_err();
            let message = error.to_string();
            assert!(message.contains(&format!("chmod 600 {}", path.display())), "{message}");
            assert!(message.contains(&format!("{loose:04o}")), "{message}");
        }
        for good in [0o600, 0o400] {
            fs::set_permissions(&path, fs::Permissions::from_mode(good)).unwrap();
            assert_eq!(read_key(&path).unwrap().as_slice(), b"key");
        }
    }

    #[test]
    fn reading_is_bounded_and_names_the_file() {
        assert!(matches!(read(Path::new("/dev/zero")), Err(FileError::TooLarge(_))));
        let error = read(Path::new("/nonexistent/ca.crt")).unwrap_err();
        assert_eq!(error.to_string(), "read /nonexistent/ca.crt");
    }
}
