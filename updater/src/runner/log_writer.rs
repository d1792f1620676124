//! The process that takes what an agent prints from a pipe, and writes it to the log. It knows no app and
//! no configuration, and ends when no process can print any more.

use std::fs::{self, File};
use std::io::{self, PipeWriter, Read as _};
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};

use super::RunnerError;
use super::bounded_log::BoundedLog;
use crate::sys::adopt_descriptor;
use crate::sys::process::ProcessId;
use crate::sys::spawn::Spawn;
use crate::sys::user::User;

/// What a pipe holds, mostly.
const BLOCK_BYTES: usize = 64 << 10;
/// Where the writer finds the pipe: the first descriptor that is passed on.
const PIPE_FD: i32 = 3;
/// How it is called in the table of processes: its program is the updater.
const NAME: &std::ffi::CStr = c"updater-log";

/// The writers that this updater has started, to be reaped.
static STARTED: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// Is the writer. Returns when no process can print any more.
pub fn write_log(path: PathBuf, limit: u64) -> io::Result<()> {
    let _ = nix::sys::prctl::set_name(NAME);
    // It hears an agent's last words, also where both are told to end.
    let mut ignored = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        ignored.add(signal);
    }
    ignored.thread_block()?;
    let mut pipe = File::from(adopt_descriptor("the pipe", Some(PIPE_FD))?);
    let log = BoundedLog::new(path, limit);
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        wait_for(&pipe)?;
        // Locked before it is read: what is in no pipe any more is in the log when the lock is free.
        let locked = log.lock();
        match pipe.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                // What cannot be written is dropped: the agent must not wait for it.
                let _ = locked.and_then(|locked| locked.add(&block[..read]));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits until there is something to read, or nothing will come any more.
fn wait_for(pipe: &File) -> io::Result<()> {
    let mut watched = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut watched, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            done => return Ok(done.map(drop)?),
        }
    }
}

/// Starts a writer.
pub(super) fn start_writer(
    program: &Path,
    pipe: File,
    log: &BoundedLog,
) -> Result<ProcessId, RunnerError> {
    reap();
    let words = [
        program.display().to_string(),
        "log-writer".to_owned(),
        "--log".to_owned(),
        log.path().display().to_string(),
        "--limit".to_owned(),
        log.limit().to_string(),
    ];
    let user = User::current()?;
    let mut spawn = Spawn::new(&words, Path::new("/"), user, &std::collections::BTreeMap::new())?;
    spawn.pass(pipe.into());
    let child = spawn.start()?;
    let id = ProcessId::of(child.id());
    started().push(child);
    id.ok_or_else(|| RunnerError::Follow(io::ErrorKind::NotFound.into()))
}

/// Reaps those that have ended.
pub(super) fn reap() {
    started().retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}

fn started() -> std::sync::MutexGuard<'static, Vec<Child>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end of a pipe that an agent gets: it can be read too, so that to print is not deadly while there is
/// no writer.
pub(super) fn open_both_ways(pipe: &PipeWriter) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", pipe.as_fd().as_raw_fd());
    File::options().read(true).write(true).open(path)
}

/// Which pipe it is.
pub(super) fn pipe_of(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.ino())
}

/// The end to read from, from a process that prints into this pipe.
pub(super) fn reader_of(process: &ProcessId, inode: u64) -> Option<File> {
    [1, 2].into_iter().find_map(|number| {
        let path = format!("/proc/{}/fd/{number}", process.pid);
        // Looked at before it is opened: it may be a device by now, or a FIFO of the agent's.
        let is_it = |path: &str| fs::metadata(path).is_ok_and(|found| found.ino() == inode);
        is_it(&path).then(|| File::open(&path).ok()).flatten()
    })
}

/// Whether a writer has read all that was printed.
pub(super) fn is_drained(writer: &ProcessId, inode: u64) -> bool {
    let path = format!("/proc/{}/fd/{PIPE_FD}", writer.pid);
    let is_it = |found: fs::Metadata| found.ino() == inode;
    if !fs::metadata(&path).is_ok_and(is_it) {
        // It has ended, or begins.
        return false;
    }
    File::open(&path)
        .is_ok_and(|pipe| rustix::io::ioctl_fionread(&pipe).is_ok_and(|left| left == 0))
}
