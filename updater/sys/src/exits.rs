//! How the processes of an agent have ended, as its keeper writes it down: for an updater that did not start
//! them, and has no other way to learn it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::process::ProcessId;

/// Bytes of one end: the number of the process, how it ended (wait(2)), and when, in nanoseconds since 1970.
pub(super) const ENTRY_BYTES: usize = 16;
/// Ends that are kept: the last ones. A power of two.
pub(super) const ENTRIES: usize = 64;

/// For so long at most it is waited for a keeper that is about to write: it has only to be scheduled.
const KEEPER_WAIT: Duration = Duration::from_secs(5);
const NEXT_LOOK: Duration = Duration::from_millis(5);

/// The ends of one agent's processes.
#[derive(Debug, Clone)]
pub struct Exits {
    path: PathBuf,
}

/// How a process ended, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessExit {
    pub status: ExitStatus,
    pub at: OffsetDateTime,
}

impl Exits {
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes the file, with all the room that it will take: the disk may be full when an agent ends.
    pub fn create(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
        file.write_all(&[0; ENTRY_BYTES * ENTRIES])?;
        Ok(file)
    }

    /// How this process ended, if its keeper has written that down.
    pub fn of(&self, pid: u32) -> Option<ProcessExit> {
        let entries = entries(&self.path).ok()?;
        let last = entries.filter(|(number, _)| *number == pid).max_by_key(|(_, exit)| exit.at);
        last.map(|(_, exit)| exit)
    }

    /// How this process ended, which has just done so: its keeper may be about to write that down.
    pub fn of_ended(&self, process: &ProcessId, keeper: &ProcessId) -> Option<ProcessExit> {
        let deadline = Instant::now() + KEEPER_WAIT;
        loop {
            // Looked at before the file is.
            let may_write = keeper.is_alive() && process.stat().is_some();
            let exit = self.of(process.pid);
            if exit.is_some() || !may_write || deadline <= Instant::now() {
                return exit;
            }
            // No event tells that a process was reaped by another one.
            thread::park_timeout(NEXT_LOOK);
        }
    }

    /// Removes the file. One that stays says nothing wrong.
    pub fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn entries(path: &Path) -> io::Result<impl Iterator<Item = (u32, ProcessExit)>> {
    let mut bytes = [0; ENTRY_BYTES * ENTRIES];
    File::open(path)?.read_exact(&mut bytes)?;
    let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
    let read: Vec<_> = entries.iter().filter_map(entry).collect();
    Ok(read.into_iter())
}

fn entry(bytes: &[u8; ENTRY_BYTES]) -> Option<(u32, ProcessExit)> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    let (status, at) = rest.split_first_chunk::<4>()?;
    let at = i64::from_ne_bytes(at.try_into().ok()?);
    let at = OffsetDateTime::from_unix_timestamp_nanos(at.into()).ok()?;
    let status = ExitStatus::from_raw(i32::from_ne_bytes(*status));
    let number = u32::from_ne_bytes(*number);
    (number != 0).then_some((number, ProcessExit { status, at }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn an_end_is_read_as_it_was_written_and_what_is_damaged_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let exits = Exits::at(directory.path().join("exits"));
        assert_eq!(exits.of(7), None);
        let file = exits.create().unwrap();
        assert_eq!((exits.of(7), exits.of(0)), (None, None));
        let put = |slot: u64, pid: u32, status: i32, at: i64| {
            let fields = [&pid.to_ne_bytes()[..], &status.to_ne_bytes(), &at.to_ne_bytes()];
            file.write_all_at(&fields.concat(), slot * 16).unwrap();
        };
        put(0, 7, 9, 2_000_000_000);
        put(1, 8, 3 << 8, 1_000_000_000);
        // A number comes back after very many processes.
        put(2, 7, 0, 1_000_000_000);
        let exit = exits.of(7).unwrap();
        assert_eq!((exit.status.signal(), exit.at.unix_timestamp()), (Some(9), 2));
        assert_eq!(exits.of(8).unwrap().status.code(), Some(3));
        file.set_len(20).unwrap();
        assert_eq!(exits.of(7), None);
        exits.remove();
        assert_eq!(exits.of(7), None);
    }
}
