//! Runs a program to its end and reads all that it says, unless it is cancelled before.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Output, Stdio};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::interrupt::{CancelToken, Cancelled};

const READ: usize = 64 * 1024;

/// Runs it without an input. Cancelled, it is killed, and what it has started finds its pipes closed.
pub(super) fn run(
    command: &mut Command,
    cancel: &CancelToken,
) -> io::Result<Result<Output, Cancelled>> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let said = read(&mut child, cancel);
    if !matches!(said, Ok(Ok(_))) {
        // Where that fails, it has ended already.
        let _ = child.kill();
    }
    let status = child.wait()?;
    Ok(said?.map(|[stdout, stderr]| Output { status, stdout, stderr }))
}

/// Reads both of its pipes until they are closed.
fn read(child: &mut Child, cancel: &CancelToken) -> io::Result<Result<[Vec<u8>; 2], Cancelled>> {
    let pipes = [child.stdout.take().map(OwnedFd::from), child.stderr.take().map(OwnedFd::from)];
    let pipes = pipes.into_iter().enumerate();
    let mut open: Vec<_> =
        pipes.filter_map(|(which, pipe)| Some((which, File::from(pipe?)))).collect();
    let mut said = [Vec::new(), Vec::new()];
    let mut buffer = vec![0; READ];
    while !open.is_empty() {
        let pipes = open.iter().map(|(_, pipe)| pipe.as_fd());
        let mut watched: Vec<_> = pipes.chain([cancel.as_fd()]).map(readable).collect();
        match poll(&mut watched, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<_> = watched.iter().map(|it| it.any().unwrap_or_default()).collect();
        if let Err(cancelled) = cancel.check() {
            return Ok(Err(cancelled));
        }
        for place in (0..open.len()).rev().filter(|&place| ready[place]) {
            let (which, pipe) = &mut open[place];
            match pipe.read(&mut buffer)? {
                0 => drop(open.remove(place)),
                read => said[*which].extend_from_slice(&buffer[..read]),
            }
        }
    }
    Ok(Ok(said))
}

fn readable(descriptor: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(descriptor, PollFlags::POLLIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::cancellation;

    fn shell(line: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]);
        command
    }

    #[test]
    fn all_that_a_program_says_is_read_from_both_pipes() {
        let (_cancel, token) = cancellation().unwrap();
        let line = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; echo end; exit 3";
        let output = run(&mut shell(line), &token).unwrap().unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!((output.stdout.len(), output.stderr.len()), (300_004, 300_000));
    }

    #[test]
    fn a_program_that_is_cancelled_is_killed_and_its_children_are_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let begun = place.path().join("begun");
        nix::unistd::mkfifo(&begun, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let (cancel, token) = cancellation().unwrap();
        let line = format!("echo > '{}'; sleep 1000 & sleep 1000", begun.display());
        let running = std::thread::spawn(move || run(&mut shell(&line), &token));
        assert_eq!(std::fs::read_to_string(&begun).unwrap(), "\n");
        drop(cancel);
        assert_eq!(running.join().unwrap().unwrap().unwrap_err(), Cancelled);
    }
}
