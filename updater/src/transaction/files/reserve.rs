//! `reserve`: room on the disk of the state directory that the updater holds while it needs none. On a
//! full disk it gives it up, so that a transaction can be undone, and its end be written down.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// What a transaction writes on its way back and at its end, several times over.
pub(crate) const RESERVE_BYTES: u64 = 256 << 10;

/// Makes it whole, unless it is.
pub(crate) fn keep_reserve(path: &Path) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() == RESERVE_BYTES) {
        return Ok(());
    }
    let made = make(path);
    if made.is_err() {
        // A part of it is no reserve, and takes the room from what needs it.
        let _ = fs::remove_file(path);
    }
    made
}

/// Gives it up. False if there was none.
pub(crate) fn give_up_reserve(path: &Path) -> bool {
    fs::remove_file(path).is_ok()
}

fn make(path: &Path) -> io::Result<()> {
    let options = &mut File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES) {
        // A file system that cannot: what is written there takes room as well.
        Err(Errno::OPNOTSUPP) => {
            let block = [0xa5; 4096];
            for _ in 0..RESERVE_BYTES / 4096 {
                file.write_all(&block)?;
            }
            file.sync_all()
        }
        done => Ok(done?),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn it_takes_room_until_it_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("reserve");
        for _ in 0..2 {
            keep_reserve(&path).unwrap();
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!(metadata.len(), RESERVE_BYTES);
            assert!(metadata.blocks() * 512 >= RESERVE_BYTES);
        }
        assert!(give_up_reserve(&path));
        assert!(!give_up_reserve(&path) && !path.exists());
    }
}
