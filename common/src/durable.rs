//! Small files that are there, whole, after a power cut.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

/// What a file is called until it is whole.
const UNFINISHED: &str = ".new-";

/// Replaces `path` by `bytes`: a temporary file beside it is written and synced, renamed over it,
/// and the directory synced. A reader sees the old content or the new, never a part.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = parent(path)?;
    let mut file = temporary_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_directory(directory)
}

/// A file that its owner alone can read, and that goes with the value; [`sweep_unfinished`] removes
/// one whose process was killed.
pub fn temporary_in(directory: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory)
}

/// Removes what [`write_durably`] had not finished in `directory` when it was killed, and what was
/// made for a moment. Nobody may be writing there.
pub fn sweep_unfinished(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            remove_durably(&entry.path())?;
        }
    }
    Ok(())
}

/// Appends one line to `path` and syncs it. A torn last line that an earlier crash left is ended
/// first, so that it cannot swallow this one.
pub fn append_durably(path: &Path, line: &str) -> io::Result<()> {
    let fresh = !path.exists();
    let mut options = File::options();
    let mut file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let torn = last != [b'\n'];
    let start = if torn { "\n" } else { "" };
    file.write_all(format!("{start}{line}\n").as_bytes())?;
    file.sync_all()?;
    if fresh { sync_directory(parent(path)?) } else { Ok(()) }
}

/// Removes a file, durably. One that is not there is fine.
pub fn remove_durably(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_directory(parent(path)?),
    }
}

/// Makes the names in a directory durable.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        write_durably(&path, b"one").unwrap();
        write_durably(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        remove_durably(&path).unwrap();
        remove_durably(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_was_not_finished_is_swept_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        write_durably(&directory.path().join("a"), b"one").unwrap();
        fs::write(directory.path().join(format!("{UNFINISHED}x")), "on").unwrap();
        sweep_unfinished(directory.path()).unwrap();
        let left: Vec<_> = fs::read_dir(directory.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].file_name(), "a");
    }

    #[test]
    fn a_torn_line_does_not_swallow_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lines");
        append_durably(&path, "one").unwrap();
        fs::write(&path, "one\ntw").unwrap();
        append_durably(&path, "three").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntw\nthree\n");
    }
}
