//! A process, and never another one that got its number.
//!
//! A number alone is never believed and never signalled.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Signal, WaitId, WaitIdOptions, pidfd_getfd, pidfd_open,
    pidfd_send_signal, waitid,
};
use serde::{Deserialize, Serialize};

use super::proc::{self, Stat};

/// Which process: its number, with what makes it unique.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: u32,
    /// When it started, in clock ticks since the machine was started.
    pub start_time: u64,
    /// Which start of the machine (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
}

impl ProcessId {
    /// The process that has this number now; `None` if there is none, or only a zombie.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = proc::stat(pid).filter(|stat| !stat.is_dead())?;
        Some(Self::from_stat(&stat))
    }

    /// The process that a line of `/proc` tells of.
    pub fn from_stat(stat: &Stat) -> Self {
        Self { pid: stat.pid, start_time: stat.start_time, boot_id: boot_id() }
    }

    /// Whether it lives. A zombie does not.
    pub fn is_alive(&self) -> bool {
        self.stat().is_some_and(|stat| !stat.is_dead())
    }

    /// Whether it has ended, or is about to: it takes no connections any more then.
    pub fn is_ending(&self) -> bool {
        self.stat().is_none_or(|stat| stat.is_dead()) || proc::is_exiting(self.pid)
    }

    /// What the kernel says of it, zombie or not.
    pub fn stat(&self) -> Option<Stat> {
        proc::stat(self.pid)
            .filter(|stat| stat.start_time == self.start_time && self.boot_id == boot_id())
    }

    /// Takes hold of it; `None` if it is gone.
    pub fn open(&self) -> io::Result<Option<ProcessHandle>> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Looked at after the handle was taken: from here on the number cannot change hands.
        Ok(self.stat().map(|_| ProcessHandle { handle, id: self.clone() }))
    }
}

/// Which start of the machine this is. Numbers of processes mean nothing in another one.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// A hold on a process: what is done through it is done to that process or to none.
#[derive(Debug)]
pub struct ProcessHandle {
    handle: OwnedFd,
    id: ProcessId,
}

impl ProcessHandle {
    pub fn id(&self) -> &ProcessId {
        &self.id
    }

    /// Sends a signal. To one that has ended it is not an error.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.handle, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until it has ended; forever without a deadline. `false` if the deadline came first.
    pub fn wait(&self, deadline: Option<Instant>) -> io::Result<bool> {
        wait_any(&[self], deadline)
    }

    /// Another descriptor of what it has open under a number. This takes the right to trace it:
    /// ptrace(2), `PTRACE_MODE_ATTACH_REALCREDS`.
    pub fn copy_descriptor(&self, number: i32) -> io::Result<OwnedFd> {
        Ok(pidfd_getfd(&self.handle, number, PidfdGetfdFlags::empty())?)
    }

    /// Reaps it if it is this process's child and has ended, and says how it ended.
    pub fn reap(&self) -> Option<ExitStatus> {
        use std::os::unix::process::ExitStatusExt;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::PidFd(self.handle.as_fd()), options).ok().flatten()?;
        let raw = status
            .exit_status()
            .map(|code| (code & 0xff) << 8)
            .or_else(|| status.terminating_signal())?;
        Some(ExitStatus::from_raw(raw))
    }
}

/// Waits until one of these processes has ended. `false` if the deadline came first.
pub fn wait_any(handles: &[&ProcessHandle], deadline: Option<Instant>) -> io::Result<bool> {
    loop {
        let timeout = match deadline {
            None => PollTimeout::NONE,
            Some(deadline) => {
                // Rounded up: a poll that ends before its time would come back over and over.
                let left = deadline.saturating_duration_since(Instant::now());
                let left = if left.is_zero() { left } else { left + Duration::from_millis(1) };
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
        };
        let mut watched: Vec<_> = handles
            .iter()
            .map(|process| PollFd::new(process.handle.as_fd(), PollFlags::POLLIN))
            .collect();
        match poll(&mut watched, timeout) {
            Ok(0) if deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                return Ok(false);
            }
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn cat() -> std::process::Child {
        Command::new("cat").stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "it is reaped through its handle")]
    fn a_zombie_is_not_alive() {
        let mut child = cat();
        let id = ProcessId::of(child.id()).unwrap();
        assert!(id.is_alive() && !id.is_ending());
        let handle = id.open().unwrap().unwrap();
        drop(child.stdin.take());
        assert!(handle.wait(None).unwrap());
        assert!(id.stat().unwrap().is_dead());
        assert!(!id.is_alive() && id.is_ending() && proc::is_exiting(id.pid));
        assert_eq!(handle.reap().unwrap().code(), Some(0));
        assert_eq!(id.stat(), None);
    }

    #[test]
    fn lesson_20_a_reused_number_is_not_signalled() {
        let mut child = cat();
        let id = ProcessId::of(child.id()).unwrap();
        let earlier = ProcessId { start_time: id.start_time - 1, ..id.clone() };
        assert!(!earlier.is_alive());
        assert!(earlier.open().unwrap().is_none());
        let other_boot = ProcessId { boot_id: "another".to_owned(), ..id.clone() };
        assert!(other_boot.open().unwrap().is_none());
        id.open().unwrap().unwrap().signal(Signal::TERM).unwrap();
        child.wait().unwrap();
        assert!(!id.is_alive());
    }

    #[test]
    fn a_deadline_that_has_passed_is_told() {
        let mut child = cat();
        let handle = ProcessId::of(child.id()).unwrap().open().unwrap().unwrap();
        assert!(!handle.wait(Some(Instant::now())).unwrap());
        handle.signal(Signal::KILL).unwrap();
        assert!(handle.wait(None).unwrap());
        assert_eq!(crate::run::describe(handle.reap().unwrap()), "was killed by SIGKILL");
        // Reaped once, it is no child of this process any more.
        assert!(handle.reap().is_none() && child.try_wait().is_err());
    }
}
