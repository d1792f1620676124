//! `agent.log`: what an agent prints, bounded.
//!
//! A small process of its own takes it from a pipe and writes it (`log_writer.rs`). The writer outlives
//! the updater, as the agent does, and ends when nothing can print any more. The agent has the pipe open
//! for reading too, so that it does not die where the writer was killed: the updater starts another one.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::failed_to;
use serde::{Deserialize, Serialize};

use super::bounded_log::BoundedLog;
use super::log_starts::LogStarts;
use super::log_writer::{self, pipe_of, start_writer};
use super::{Launch, RunnerError};
use crate::sys::output::printable;
use crate::sys::process::{ProcessHandle, ProcessId};
use crate::sys::wall_clock;

/// Bytes that are read of what one start has printed, at most: a quarter at its beginning, the rest at its
/// end.
const READ_BYTES: u64 = 1 << 20;
/// How long a writer may take for what was printed before.
const SETTLE_TIME: Duration = Duration::from_secs(1);
/// Between two looks whether it has.
const SETTLE_LOOK: Duration = Duration::from_millis(2);

/// An agent's log, with one older one beside it (`agent.log.1`).
#[derive(Debug, Clone)]
pub(super) struct AgentLog {
    file: BoundedLog,
    /// The updater's own program, which writes it.
    program: PathBuf,
}

/// By what the output of one start of an agent gets to the log; a part of `instance.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogPipe {
    /// Its number as an inode.
    inode: u64,
    /// Absent where it could not be started.
    #[serde(default)]
    writer: Option<ProcessId>,
}

/// The output of an agent that is about to be started.
pub(super) struct BegunLog {
    /// Where it prints to.
    pub(super) output: File,
    pub(super) pipe: LogPipe,
    /// Where in the log its output begins.
    pub(super) start: u64,
}

impl AgentLog {
    pub(super) fn new(directory: &Path, limit: u64, program: PathBuf) -> Self {
        Self { file: BoundedLog::new(directory.join("agent.log"), limit), program }
    }

    /// Opens it for an agent that starts.
    pub(super) fn begin(&self, launch: &Launch) -> Result<BegunLog, RunnerError> {
        self.file.cut_to_bound().or_else(absent).map_err(|source| self.error("cut", source))?;
        // It is there, also of an agent that prints nothing; but for a disk on which it cannot be.
        drop(self.file.lock_now());
        LogStarts::add(self.path(), launch, wall_clock());
        let start = std::fs::metadata(self.file.path()).map_or(0, |metadata| metadata.len());
        let (reader, writer) = io::pipe().map_err(|source| self.error("make a pipe to", source))?;
        let output = log_writer::open_both_ways(&writer);
        let output = output.map_err(|source| self.error("make a pipe to", source))?;
        let inode = pipe_of(&output).map_err(|source| self.error("make a pipe to", source))?;
        let writer = self.start_writer(File::from(std::os::fd::OwnedFd::from(reader)));
        Ok(BegunLog { output, pipe: LogPipe { inode, writer }, start })
    }

    /// An agent runs also where what it prints cannot be kept.
    fn start_writer(&self, reader: File) -> Option<ProcessId> {
        let started = start_writer(&self.program, reader, &self.file);
        let failed = |error: &RunnerError| {
            tracing::warn!("what an agent prints is not kept: {}", failed_to(error));
        };
        started.inspect_err(failed).ok()
    }

    /// Starts the writer of a running agent again, if it was killed. The pipe as it is from then on, if it
    /// is another one.
    pub(super) fn tend(&self, pipe: &LogPipe, leader: &ProcessId) -> Option<LogPipe> {
        log_writer::reap();
        if pipe.writer.as_ref().is_some_and(ProcessId::is_alive) {
            return None;
        }
        let reader = log_writer::reader_of(leader, pipe.inode)?;
        let writer = self.start_writer(reader)?;
        Some(LogPipe { inode: pipe.inode, writer: Some(writer) })
    }

    /// Waits until what was printed is in the log, but not for long.
    pub(super) fn settle(&self, pipe: &LogPipe) {
        let deadline = Instant::now() + SETTLE_TIME;
        let Some(writer) = pipe.writer.as_ref() else { return };
        let Ok(Some(handle)) = writer.open() else { return };
        while Instant::now() < deadline && writer.is_alive() {
            // What is read is written before the lock is given back.
            let locked = self.file.lock_now();
            if matches!(locked, Ok(Some(_))) && log_writer::is_drained(writer, pipe.inode) {
                return;
            }
            drop(locked);
            let _ = handle.wait(Some(Instant::now() + SETTLE_LOOK));
        }
    }

    /// Waits until the writer of an agent of which nothing is left has ended, but not for long: a process
    /// that is not known to be the agent's may still print.
    pub(super) fn close(pipe: &LogPipe) {
        let handle = pipe.writer.as_ref().and_then(|writer| writer.open().ok().flatten());
        let wait = |writer: ProcessHandle| writer.wait(Some(Instant::now() + SETTLE_TIME));
        let _ = handle.map(wait);
        log_writer::reap();
    }

    /// Lets all go but the end, and says how many bytes that were.
    pub(super) fn give_way(&self) -> u64 {
        self.file.give_way()
    }

    /// Cuts the log of an agent that writes to it itself: an earlier updater started it.
    pub(super) fn cut_to_bound(&self) -> Result<(), RunnerError> {
        self.file.cut_to_bound().or_else(absent).map_err(|source| self.error("cut", source))
    }

    /// Tells what was written after `start`, line by line; of very much, its beginning and its end.
    pub(super) fn read(&self, start: u64, on_line: &mut dyn FnMut(&str)) {
        let log = self.file.path();
        let length = std::fs::metadata(log).map_or(0, |metadata| metadata.len());
        let bytes = if length < start {
            // It was put aside since, or cut.
            let mut bytes =
                read_part(&self.file.older(), start, READ_BYTES / 2).unwrap_or_default();
            bytes.extend(read_part(log, 0, READ_BYTES / 2).unwrap_or_default());
            bytes
        } else {
            read_part(log, start, READ_BYTES).unwrap_or_default()
        };
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        if !text.is_empty() {
            for line in text.split(|byte| *byte == b'\n') {
                on_line(&printable(line));
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The file that was put aside when it was full.
    pub(super) fn older(&self) -> PathBuf {
        self.file.older()
    }

    fn error(&self, act: &'static str, source: io::Error) -> RunnerError {
        RunnerError::File { act, path: self.file.path().to_owned(), source }
    }
}

/// What is in a file from there on; of more than `limit` bytes, the beginning and the end.
fn read_part(path: &Path, from: u64, limit: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let from = if length < from { 0 } else { from };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    if length - from <= limit {
        file.take(limit).read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    let first = limit / 4;
    file.by_ref().take(first).read_to_end(&mut bytes)?;
    // Two lines that are not whole are none.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
    bytes.truncate(whole);
    bytes.extend_from_slice(b"\xe2\x80\xa6 more than is read was printed here\n");
    file.seek(SeekFrom::Start(length - (limit - first)))?;
    file.take(limit - first).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(log: &AgentLog, start: u64) -> Vec<String> {
        let mut lines = Vec::new();
        log.read(start, &mut |line| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn what_is_read_is_of_this_start_only() {
        let directory = tempfile::tempdir().unwrap();
        let log = AgentLog::new(directory.path(), 1 << 20, "/none".into());
        assert!(read(&log, 0).is_empty());
        fs::write(log.file.path(), "old\none\n\ntwo\nthr\u{1b}ee\n").unwrap();
        assert_eq!(read(&log, 4), ["one", "", "two", "thr\\u{1b}ee"]);
        // It was cut since, or put aside.
        assert_eq!(read(&log, 400).len(), 5);
        fs::write(log.file.older(), format!("{}first\n", "x".repeat(400))).unwrap();
        assert_eq!(read(&log, 400)[..2], ["first", "old"]);
    }

    #[test]
    fn of_very_much_the_beginning_and_the_end_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let log = AgentLog::new(directory.path(), 64 << 20, "/none".into());
        let lines: Vec<_> = (0..400_000).map(|line| line.to_string()).collect();
        fs::write(log.file.path(), lines.join("\n")).unwrap();
        let read = read(&log, 0);
        assert_eq!((read[0].as_str(), read.last().unwrap().as_str()), ("0", "399999"));
        assert!(read.len() < 200_000 && read.iter().any(|line| line.starts_with('…')));
    }
}
