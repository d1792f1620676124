//! A command below a keeper, to which all that it starts falls.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::job::{Job, KILL_WAIT, RunError, wait};

/// The keeper of a command. Dropped, it ends the command.
pub(super) struct SupervisedChild {
    child: Child,
    handle: OwnedFd,
}

impl SupervisedChild {
    /// Of a keeper that was just started.
    pub(super) fn new(child: Child) -> Result<Self, RunError> {
        let handle = Pid::from_raw(child.id().cast_signed())
            .ok_or(rustix::io::Errno::SRCH)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()))
            .map_err(|error| RunError::Follow(error.into()))?;
        Ok(Self { child, handle })
    }
}

impl Job for SupervisedChild {
    fn ended(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    fn status(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }

    fn kill(&mut self) -> Result<(), String> {
        let _ = pidfd_send_signal(&self.handle, Signal::TERM);
        let deadline = Instant::now() + KILL_WAIT;
        loop {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("process {}", self.child.id()));
            }
            let mut watched = [PollFd::new(self.handle.as_fd(), PollFlags::POLLIN)];
            let _ = wait(&mut watched, left);
        }
    }
}

impl Drop for SupervisedChild {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
