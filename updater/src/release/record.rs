//! Reading and writing `.release.json`.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use common::{StateFileError, state_file, sync_directory};
use protocol::{FORMAT, RELEASE_RECORD, ReleaseRecord};

use crate::release::remove_tree;
use crate::sys::checkpoint;
use crate::sys::fs::read_plain;

/// No record is larger: all unit files of a release are in it, with every byte of theirs as `\u0000`.
const RECORD_BYTES: u64 = 2 << 20;

/// Why a release's record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is none: the directory is litter.
    #[error("find {}", .0.display())]
    Absent(PathBuf),
    #[error("read {path}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    /// It is no record, or a newer updater's.
    #[error(transparent)]
    Unusable(#[from] StateFileError),
}

/// Reads the record of a release's directory.
pub fn read_record(release: &Path) -> Result<ReleaseRecord, RecordError> {
    let path = release.join(RELEASE_RECORD);
    let text = match read_plain(release, RELEASE_RECORD, RECORD_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RecordError::Absent(path));
        }
        Err(source) => return Err(RecordError::Io { path, source }),
    };
    Ok(state_file::parse(&path, &text, FORMAT)?)
}

/// Whether a release's directory is the updater's own. While it is built it belongs to the app's
/// user, whose build could write a record.
pub fn is_sealed(release: &Path) -> Result<bool, RecordError> {
    match fs::symlink_metadata(release) {
        Ok(found) => Ok(found.uid() == rustix::process::geteuid().as_raw()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(RecordError::Io { path: release.to_owned(), source }),
    }
}

/// Writes the record, which makes the directory a release. Everything else in it must be on the
/// disk by now.
pub fn write_record(release: &Path, record: &ReleaseRecord) -> io::Result<()> {
    let path = release.join(RELEASE_RECORD);
    state_file::write(&path, record).map_err(io::Error::other)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

/// Removes a release. Its record goes first: what a crash leaves of it is litter, not a release
/// with half of its files.
pub(super) fn remove_release(release: &Path) -> io::Result<()> {
    let record = release.join(RELEASE_RECORD);
    if fs::symlink_metadata(&record).is_ok() {
        // Sealed releases are read-only, which this knows how to deal with.
        remove_tree(&record)?;
        sync_directory(release)?;
        checkpoint("record_removed");
    }
    remove_tree(release)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION_1: &str = r#"{
        "format": 1,
        "digest": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "version": "1.0",
        "installed_at": "2026-01-02T03:04:05Z",
        "archive_bytes": 10,
        "unpacked_bytes": 20,
        "entries": 3,
        "build": "none"
    }"#;

    #[test]
    fn a_record_of_version_1_is_read() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(RELEASE_RECORD), VERSION_1).unwrap();
        let record = read_record(directory.path()).unwrap();
        assert_eq!(record.version.as_deref(), Some("1.0"));
        assert!(record.units.is_empty());
        write_record(directory.path(), &record).unwrap();
        assert_eq!(read_record(directory.path()).unwrap(), record);
    }

    #[test]
    fn a_newer_or_damaged_record_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(read_record(directory.path()), Err(RecordError::Absent(_))));
        let path = directory.path().join(RELEASE_RECORD);
        fs::write(&path, VERSION_1.replace("\"format\": 1", "\"format\": 9")).unwrap();
        assert!(matches!(
            read_record(directory.path()),
            Err(RecordError::Unusable(StateFileError::Newer { .. }))
        ));
        fs::write(&path, "{").unwrap();
        assert!(matches!(
            read_record(directory.path()),
            Err(RecordError::Unusable(StateFileError::Malformed { .. }))
        ));
    }
}
