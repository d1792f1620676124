//! What runs a command: a process below a keeper, or a unit of systemd.

use std::io;
use std::os::fd::BorrowedFd;
use std::process::ExitStatus;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollTimeout, poll};

use super::bounds::Bound;
use super::spawn_error::SpawnError;

/// How long the processes of a command may take to be gone once they were killed.
pub const KILL_WAIT: Duration = Duration::from_secs(10);

/// What runs a command. Dropped, it ends it.
pub trait Job {
    /// There is something to read here when the command, and all that it started, has ended.
    fn ended(&self) -> BorrowedFd<'_>;

    fn status(&mut self) -> io::Result<ExitStatus>;

    /// Ends it, and all that it started. The error names what would not go.
    fn kill(&mut self) -> Result<(), String>;
}

/// Why a command did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] SpawnError),
    /// It met one of its bounds.
    #[error("{bound}: it was ended")]
    Ended {
        bound: Bound,
        /// What is shown of its output.
        output: Vec<String>,
    },
    /// It was killed, and is still there: the kernel does not let it go.
    #[error("end the command: {what} does not go although it was killed")]
    Stuck {
        /// The process, or the unit.
        what: String,
        /// What is shown of its output.
        output: Vec<String>,
    },
    /// It could not be followed.
    #[error("follow the command")]
    Follow(#[source] io::Error),
}

impl RunError {
    /// What is shown of the command's output.
    pub fn output(&self) -> &[String] {
        match self {
            Self::Ended { output, .. } | Self::Stuck { output, .. } => output,
            Self::Start(_) | Self::Follow(_) => &[],
        }
    }
}

/// Waits for one of them, or for so long.
pub(super) fn wait(watched: &mut [PollFd<'_>], left: Duration) -> Result<(), Errno> {
    // A poll that ends before its time would come back at once, over and over.
    let left = left + Duration::from_millis(1);
    match poll(watched, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error),
    }
}
