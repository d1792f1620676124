//! The file that an agent's output goes to, with one older one beside it, and the bound of both. It holds
//! at any speed: nothing is added that would break it.
//!
//! In a handover two processes add to the same file; each locks it for what it adds.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::sys::free_space;

/// What is left free on the disk, for what matters more than an agent's output.
const LEFT_FREE: u64 = 1 << 20;
/// What stays of a log that gives way: the end, which says why an agent died.
const KEPT: u64 = 64 << 10;

/// An agent's log, which is never larger than `limit`, and neither is the older one.
#[derive(Debug, Clone)]
pub(super) struct BoundedLog {
    path: PathBuf,
    limit: u64,
}

/// The log, while no other process adds to it.
#[derive(Debug)]
pub(super) struct LockedLog<'a> {
    log: &'a BoundedLog,
    file: Flock<File>,
}

impl BoundedLog {
    pub(super) fn new(path: PathBuf, limit: u64) -> Self {
        Self { path, limit: limit.max(1) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Makes the file if it is not there, and waits until no other process adds to it.
    pub(super) fn lock(&self) -> io::Result<LockedLog<'_>> {
        loop {
            if let Some(file) = self.try_lock(FlockArg::LockExclusive)? {
                return Ok(LockedLog { log: self, file });
            }
        }
    }

    /// The same without waiting: `None` while another process adds to it.
    pub(super) fn lock_now(&self) -> io::Result<Option<LockedLog<'_>>> {
        let file = self.try_lock(FlockArg::LockExclusiveNonblock)?;
        Ok(file.map(|file| LockedLog { log: self, file }))
    }

    /// `None` if it was put aside meanwhile, or is locked.
    fn try_lock(&self, how: FlockArg) -> io::Result<Option<Flock<File>>> {
        let options = &mut File::options();
        let file = options.read(true).append(true).create(true).mode(0o640).open(&self.path)?;
        let inode = file.metadata()?.ino();
        let file = match Flock::lock(file, how) {
            Ok(file) => file,
            Err((_, Errno::EWOULDBLOCK | Errno::EINTR)) => return Ok(None),
            Err((_, errno)) => return Err(errno.into()),
        };
        let same = fs::metadata(&self.path).is_ok_and(|now| now.ino() == inode);
        Ok(same.then_some(file))
    }

    /// Bytes of it, and of the older one.
    fn lengths(&self) -> (u64, u64) {
        let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        (length(&self.path), length(&self.older()))
    }

    /// What it was before.
    pub(super) fn older(&self) -> PathBuf {
        self.path.with_extension("log.1")
    }

    /// Cuts what an updater has left that knew no bound at this speed.
    pub(super) fn cut_to_bound(&self) -> io::Result<()> {
        let (length, older) = self.lengths();
        if older > self.limit {
            keep_end(&self.older(), self.limit)?;
        }
        if length > self.limit { keep_end(&self.path, self.limit) } else { Ok(()) }
    }

    /// Lets all go but the end, and says how many bytes that were.
    pub(super) fn give_way(&self) -> u64 {
        let (length, older) = self.lengths();
        let mut freed = if fs::remove_file(self.older()).is_ok() { older } else { 0 };
        if length > KEPT
            && let Ok(locked) = self.lock()
        {
            freed += keep_end(&self.path, KEPT).map_or(0, |()| length - KEPT);
            drop(locked);
        }
        freed
    }
}

impl LockedLog<'_> {
    /// Adds what was printed. What does not fit, and what there is no room for, is dropped: an agent never
    /// waits for a disk to get room.
    pub(super) fn add(mut self, bytes: &[u8]) -> io::Result<()> {
        let limit = usize::try_from(self.log.limit).unwrap_or(usize::MAX);
        let bytes = &bytes[bytes.len().saturating_sub(limit)..];
        let room = free_space(&self.log.path)?;
        if room.bytes < LEFT_FREE.saturating_add(bytes.len() as u64) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let length = self.file.metadata()?.len();
        if length > 0 && length.saturating_add(bytes.len() as u64) > self.log.limit {
            fs::rename(&self.log.path, self.log.older())?;
            let log = self.log;
            self = log.lock()?;
        }
        self.file.write_all(bytes)
    }
}

/// Cuts a file to its end, in place: what another process adds to it meanwhile goes to the new end.
fn keep_end(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let mut from = length.saturating_sub(bytes);
    let (mut to, mut block) = (0, vec![0; 64 << 10]);
    while from < length {
        file.seek(SeekFrom::Start(from))?;
        let read = io::Read::read(&mut file, &mut block)?;
        if read == 0 {
            break;
        }
        file.seek(SeekFrom::Start(to))?;
        file.write_all(&block[..read])?;
        (from, to) = (from + read as u64, to + read as u64);
    }
    file.set_len(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(limit: u64) -> (tempfile::TempDir, BoundedLog) {
        let directory = tempfile::tempdir().unwrap();
        let log = BoundedLog::new(directory.path().join("agent.log"), limit);
        (directory, log)
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn neither_file_ever_has_more_than_the_bound() {
        let (_directory, log) = log(10);
        for (said, newer, older) in [
            ("12345\n", "12345\n", ""),
            ("789\n", "12345\n789\n", ""),
            ("x", "x", "12345\n789\n"),
            ("a line that is longer than all\n", "r than all\n".split_at(1).1, "x"),
        ] {
            log.lock().unwrap().add(said.as_bytes()).unwrap();
            assert_eq!((text(log.path()).as_str(), text(&log.older()).as_str()), (newer, older));
        }
    }

    #[test]
    fn what_an_older_updater_left_is_cut_in_both_files() {
        let (_directory, log) = log(4);
        fs::write(log.path(), "0123456789").unwrap();
        fs::write(log.older(), "abcdefghij").unwrap();
        log.cut_to_bound().unwrap();
        assert_eq!((text(log.path()), text(&log.older())), ("6789".into(), "ghij".into()));
    }

    #[test]
    fn on_a_full_disk_it_gives_way_but_for_its_end() {
        let (_directory, log) = log(1 << 20);
        assert_eq!(log.give_way(), 0);
        let kept = usize::try_from(KEPT).unwrap();
        fs::write(log.older(), "older").unwrap();
        fs::write(log.path(), [b"x".repeat(kept), b"y".repeat(kept)].concat()).unwrap();
        assert_eq!(log.give_way(), KEPT + 5);
        assert_eq!(text(log.path()), "y".repeat(kept));
        assert!(!log.older().exists());
    }

    #[test]
    fn a_log_that_another_process_has_put_aside_is_not_added_to() {
        let (_directory, log) = log(10);
        let locked = log.lock().unwrap();
        assert!(log.lock_now().unwrap().is_none());
        fs::rename(log.path(), log.older()).unwrap();
        drop(locked);
        log.lock().unwrap().add(b"new").unwrap();
        assert_eq!((text(log.path()), text(&log.older())), ("new".into(), String::new()));
    }
}
