//! Tells work on another thread that it is to end.
//!
//! It is a pipe, so that work can wait for it beside the output of a program that it has started.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The work was ended before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("go on: it was interrupted")]
pub struct Cancelled;

/// Cancels the work that has the token, by being dropped.
#[derive(Debug)]
pub struct CancelOnDrop(#[expect(dead_code, reason = "it is there to be closed")] PipeWriter);

/// What work looks at while it goes on.
#[derive(Debug)]
pub struct CancelToken(PipeReader);

/// A token, and what cancels it.
pub fn cancellation() -> io::Result<(CancelOnDrop, CancelToken)> {
    let (reader, writer) = io::pipe()?;
    Ok((CancelOnDrop(writer), CancelToken(reader)))
}

impl CancelToken {
    /// Fails once the work is cancelled. Cheap enough for every entry and every block.
    pub fn check(&self) -> Result<(), Cancelled> {
        // Nothing is ever written: the pipe has something to say once its other end is closed.
        let mut descriptors = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, PollTimeout::ZERO) {
            Ok(0) | Err(Errno::EINTR) => Ok(()),
            Ok(_) | Err(_) => Err(Cancelled),
        }
    }
}

impl AsFd for CancelToken {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Does work that nothing cancels.
#[cfg(test)]
pub(crate) fn undisturbed<T>(work: impl FnOnce(&CancelToken) -> T) -> T {
    let (cancel, token) = cancellation().unwrap();
    let done = work(&token);
    drop(cancel);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_cancelled_once_its_other_end_is_dropped_and_stays_so() {
        let (cancel, token) = cancellation().unwrap();
        assert_eq!(token.check(), Ok(()));
        assert_eq!(token.check(), Ok(()));
        drop(cancel);
        assert_eq!(token.check(), Err(Cancelled));
        assert_eq!(token.check(), Err(Cancelled));
    }
}
