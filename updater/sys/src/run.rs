//! Running a command to its end within bounds of time and output.
//!
//! Nothing that the command started outlives it: a keeper stands between it and the updater, to
//! which every orphan falls, whatever sessions it made. The limit of that: where the updater is not
//! root, a command runs as the updater's own user and could kill its keeper.

use std::io::{self, PipeReader, PipeWriter, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;

use super::bounds::CommandBounds;
use super::excerpt::Excerpt;
use super::job::{Job, RunError, wait};
use super::output::Lines;
use super::prepare::Lifetime;
use super::spawn::{Output, Spawn};
use super::subreaper::SupervisedChild;

/// How often the disk is looked at, where room must stay on it, and whether it is to end. A disk that takes a
/// gigabyte a second takes so much meanwhile as the smallest reserve that makes sense.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How a command ended by itself.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status, which may be a failure.
    pub status: ExitStatus,
    /// What it printed.
    pub output: Excerpt,
    /// Bytes of its output.
    pub output_bytes: u64,
}

/// Says how a process ended: `exited with status 3`, `was killed by SIGKILL`.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => match Signal::try_from(signal) {
            Ok(signal) => format!("was killed by {signal}"),
            Err(_) => format!("was killed by signal {signal}"),
        },
        (None, None) => "ended".to_owned(),
    }
}

/// Runs a command to its end, and gives each line of its output to `on_line` when it comes.
///
/// Blocks; for a plain thread. The thread's end would end the command. When this returns, no
/// descendant of the command is alive, and no process that holds the output's pipe can make it wait.
pub fn run_bounded(
    mut spawn: Spawn,
    bounds: CommandBounds<'_>,
    on_line: impl FnMut(&str),
) -> Result<Finished, RunError> {
    let start = |writer| {
        spawn.output = Output::Pipe(writer);
        spawn.lifetime = Lifetime::SupervisedChild;
        SupervisedChild::new(spawn.start()?)
    };
    run_job(start, bounds, on_line)
}

/// The same of a command that is started otherwise, with this end of a pipe for its output.
pub fn run_job<J: Job>(
    start: impl FnOnce(PipeWriter) -> Result<J, RunError>,
    bounds: CommandBounds<'_>,
    mut on_line: impl FnMut(&str),
) -> Result<Finished, RunError> {
    let deadline = Instant::now() + bounds.timeout;
    let (reader, writer) = io::pipe().map_err(RunError::Follow)?;
    rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::NONBLOCK)
        .map_err(|error| RunError::Follow(error.into()))?;
    let mut running = Running { job: start(writer)?, output_open: true };
    let mut lines = Lines::of(reader);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(bound) = bounds.met(left, lines.bytes) {
            let stuck = running.job.kill();
            // What it printed before it was killed may say why.
            lines.drain(bounds.output_bytes, &mut on_line).map_err(RunError::Follow)?;
            let output = lines.finish(&mut on_line).shown();
            return Err(match stuck {
                Ok(()) => RunError::Ended { bound, output },
                Err(what) => RunError::Stuck { what, output },
            });
        }
        let left = if bounds.need_a_look() { left.min(LOOK_EVERY) } else { left };
        let ended = running.wait_or_readable(&lines.reader, left)?;
        lines.drain(bounds.output_bytes, &mut on_line).map_err(RunError::Follow)?;
        let output_bytes = lines.bytes;
        if ended && output_bytes <= bounds.output_bytes {
            let status = running.job.status().map_err(RunError::Follow)?;
            return Ok(Finished { status, output: lines.finish(&mut on_line), output_bytes });
        }
    }
}

/// Runs a command to its end, for so long and until it has printed so many bytes at most, and gives these as
/// they came. Blocks; for a plain thread.
pub fn run_for_bytes(
    mut spawn: Spawn,
    timeout: Duration,
    most: usize,
) -> Result<Vec<u8>, RunError> {
    let deadline = Instant::now() + timeout;
    let (mut reader, writer) = io::pipe().map_err(RunError::Follow)?;
    rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::NONBLOCK)
        .map_err(|error| RunError::Follow(error.into()))?;
    spawn.output = Output::Pipe(writer);
    spawn.lifetime = Lifetime::SupervisedChild;
    let mut running = Running { job: SupervisedChild::new(spawn.start()?)?, output_open: true };
    let mut bytes = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes.len() >= most {
            // Dropped, it is ended.
            return Ok(bytes);
        }
        let ended = running.wait_or_readable(&reader, left)?;
        let room = (most - bytes.len()) as u64;
        match (&mut reader).take(room).read_to_end(&mut bytes) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                return Err(RunError::Follow(error));
            }
            _ if ended => return Ok(bytes),
            _ => {}
        }
    }
}

struct Running<J> {
    job: J,
    output_open: bool,
}

impl<J: Job> Running<J> {
    /// Waits until the command has ended, which is `true`, or there is something to read.
    fn wait_or_readable(&mut self, reader: &PipeReader, left: Duration) -> Result<bool, RunError> {
        let mut watched = vec![PollFd::new(self.job.ended(), PollFlags::POLLIN)];
        if self.output_open {
            watched.push(PollFd::new(reader.as_fd(), PollFlags::POLLIN));
        }
        wait(&mut watched, left).map_err(|error| RunError::Follow(error.into()))?;
        let happened = |index: usize| {
            watched.get(index).and_then(PollFd::revents).unwrap_or(PollFlags::empty())
        };
        let (end, output) = (happened(0), happened(1));
        drop(watched);
        let ended = end.contains(PollFlags::POLLIN);
        if !ended && !end.is_empty() {
            // Nothing is left that could tell; to wait on would come back at once, over and over.
            return Err(RunError::Follow(io::ErrorKind::BrokenPipe.into()));
        }
        if output.contains(PollFlags::POLLHUP) && !output.contains(PollFlags::POLLIN) {
            self.output_open = false;
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use super::*;
    use crate::bounds::{Bound, StopCheck};
    use crate::excerpt::SHOWN_LINES;
    use crate::user::User;

    fn shell(script: &str) -> Spawn {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        let user = User::current().unwrap();
        Spawn::new(&command, "/".as_ref(), user, &BTreeMap::new()).unwrap()
    }

    fn bounds(seconds: u64) -> CommandBounds<'static> {
        CommandBounds {
            timeout: Duration::from_secs(seconds),
            output_bytes: 1 << 20,
            room: None,
            until: None,
        }
    }

    /// A process that holds a connection to this socket, for as long as it lives.
    fn holding(path: &Path) -> String {
        format!(
            "python3 -c 'import socket,time; s=socket.socket(socket.AF_UNIX); s.connect(\"{}\"); \
             time.sleep(1000)'",
            path.display()
        )
    }

    #[test]
    fn status_and_output_of_both_streams_are_told() {
        let mut seen = Vec::new();
        let spawn = shell("echo out; echo err >&2; printf 'a\\033[2Jb'; exit 3");
        let finished = run_bounded(spawn, bounds(60), |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(finished.status.code(), Some(3));
        assert_eq!(finished.output.shown(), ["out", "err", "a\\u{1b}[2Jb"]);
        assert_eq!(finished.output.shown(), seen);
        assert_eq!(describe(finished.status), "exited with status 3");
    }

    #[test]
    fn a_death_by_signal_is_told_as_one() {
        let finished = run_bounded(shell("kill -SEGV $$"), bounds(60), |_| {}).unwrap();
        assert_eq!(describe(finished.status), "was killed by SIGSEGV");
    }

    #[test]
    fn raw_output_comes_as_it_is_and_is_bounded() {
        let raw =
            |script, most| run_for_bytes(shell(script), Duration::from_mins(1), most).unwrap();
        assert_eq!(raw("printf 'a\\033[2J\\nb'", 100), b"a\x1b[2J\nb");
        assert_eq!(raw("yes", 1000).len(), 1000);
    }

    #[test]
    fn of_much_output_the_beginning_and_the_end_are_kept() {
        let finished = run_bounded(shell("seq 1 1000"), bounds(60), |_| {}).unwrap();
        let shown = finished.output.shown();
        assert_eq!(shown.len(), SHOWN_LINES);
        assert_eq!((shown[0].as_str(), finished.output.last_line()), ("1", Some("1000")));
    }

    #[test]
    fn lesson_17_the_build_sees_nothing_of_the_daemons_environment() {
        let finished = run_bounded(shell("env; ls /proc/self/fd"), bounds(60), |_| {}).unwrap();
        let text = finished.output.shown().join("\n");
        assert!(!text.contains("CARGO"), "{text}");
        assert!(text.contains("LANG=C.UTF-8"), "{text}");
    }

    #[test]
    fn lesson_17_a_build_without_end_is_ended() {
        let error = run_bounded(
            shell("echo begun; sleep 1000"),
            CommandBounds { timeout: Duration::from_millis(300), output_bytes: 100, ..bounds(60) },
            |_| {},
        )
        .unwrap_err();
        assert!(matches!(error, RunError::Ended { bound: Bound::Time(_), .. }), "{error}");
        assert_eq!(error.output(), ["begun"]);
    }

    #[test]
    fn what_is_asked_to_stop_is_ended() {
        let seen = std::cell::Cell::new(false);
        let until = || seen.get();
        let bounds = CommandBounds { until: Some(StopCheck(&until)), ..bounds(60) };
        let spawn = shell("echo begun; sleep 1000");
        let error = run_bounded(spawn, bounds, |_| seen.set(true)).unwrap_err();
        assert!(matches!(error, RunError::Ended { bound: Bound::StopRequested, .. }), "{error}");
        assert_eq!(error.output(), ["begun"]);
    }

    #[test]
    fn lesson_17_endless_output_is_ended() {
        let bounds = CommandBounds { output_bytes: 100_000, ..bounds(60) };
        let error = run_bounded(shell("yes"), bounds, |_| {}).unwrap_err();
        assert!(matches!(error, RunError::Ended { bound: Bound::Output(_), .. }), "{error}");
        assert_eq!(error.output().len(), 2);
    }

    #[test]
    fn a_background_child_in_its_own_session_is_ended_with_the_command() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        // The command ends when its background child, which holds the pipe too, is up.
        let script = format!(
            "mkfifo {up}; setsid {} & read line < {up}; echo done",
            holding(&path),
            up = directory.path().join("up").display()
        );
        let up = directory.path().join("up");
        let accepting = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            std::fs::write(up, "go\n").unwrap();
            connection.read_to_end(&mut Vec::new()).unwrap();
        });
        let finished = run_bounded(shell(&script), bounds(60), |_| {}).unwrap();
        assert_eq!(finished.output.shown(), ["done"]);
        // The end of the connection is the end of the process that held it.
        accepting.join().unwrap();
    }
}
