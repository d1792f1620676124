//! `agent.log`: what an agent prints, bounded.
//!
//! The agent writes to it itself, so that nothing is lost and nothing blocks while no updater runs.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::RunnerError;
use crate::sys::output::printable;

/// Bytes that are read from the end of a log for its last lines.
const TAIL_BYTES: u64 = 64 * 1024;

/// An agent's log, with one older one beside it (`agent.log.1`).
#[derive(Debug, Clone)]
pub struct AgentLog {
    path: PathBuf,
    limit: u64,
}

impl AgentLog {
    pub(super) fn new(directory: &Path, limit: u64) -> Self {
        Self { path: directory.join("agent.log"), limit }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it for an agent that starts, and says where its output will begin.
    pub(super) fn open(&self) -> Result<(File, u64), RunnerError> {
        if self.length() > self.limit {
            fs::rename(&self.path, self.older()).map_err(|source| self.error("rotate", source))?;
        }
        let open = |path: &Path| {
            // Appended to: after it was cut, the agent goes on at the new end.
            File::options().append(true).create(true).mode(0o640).open(path)
        };
        let file = open(&self.path).map_err(|source| self.error("open", source))?;
        let length = file.metadata().map_err(|source| self.error("open", source))?.len();
        Ok((file, length))
    }

    /// Keeps a copy of a log that has grown over its bound, and empties it. To be called now and
    /// then while the agent runs. What is printed between the copy and the cut is lost; an agent
    /// cannot be told to open another file.
    pub fn rotate_if_needed(&self) -> Result<bool, RunnerError> {
        if self.length() <= self.limit {
            return Ok(false);
        }
        let rotate = || {
            // At most the bound is kept, its end: an agent that prints fast must not fill the disk.
            let mut log = File::options().read(true).write(true).open(&self.path)?;
            let skipped = log.metadata()?.len().saturating_sub(self.limit);
            log.seek(SeekFrom::Start(skipped))?;
            let options = &mut File::options();
            let options = options.write(true).create(true).truncate(true).mode(0o640);
            io::copy(&mut (&log).take(self.limit), &mut options.open(self.older())?)?;
            log.set_len(0)
        };
        rotate().map_err(|source| self.error("rotate", source))?;
        Ok(true)
    }

    /// The last lines that were written after `start`.
    pub fn tail(&self, start: u64, lines: usize) -> Vec<String> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            // A log that is shorter than it was has been cut since.
            let start = if length < start { 0 } else { start };
            file.seek(SeekFrom::Start(start.max(length.saturating_sub(TAIL_BYTES))))?;
            let mut bytes = Vec::new();
            file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().unwrap_or_default();
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        if text.is_empty() {
            return Vec::new();
        }
        let mut tail: Vec<_> =
            text.rsplit(|byte| *byte == b'\n').take(lines).map(printable).collect();
        tail.reverse();
        tail
    }

    fn length(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    fn older(&self) -> PathBuf {
        self.path.with_extension("log.1")
    }

    fn error(&self, act: &'static str, source: io::Error) -> RunnerError {
        RunnerError::File { act, path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_tail_is_of_this_start_only() {
        let directory = tempfile::tempdir().unwrap();
        let log = AgentLog::new(directory.path(), 1 << 20);
        let (mut file, start) = log.open().unwrap();
        assert_eq!((start, log.tail(start, 5)), (0, vec![]));
        writeln!(file, "old").unwrap();
        let (mut file, start) = log.open().unwrap();
        write!(file, "one\n\ntwo\nthr\u{1b}ee\n").unwrap();
        assert_eq!(log.tail(start, 3), ["", "two", "thr\\u{1b}ee"]);
        assert_eq!(log.tail(start, 40).len(), 4);
    }

    #[test]
    fn a_log_that_grew_too_large_is_cut_under_its_writer() {
        let directory = tempfile::tempdir().unwrap();
        let log = AgentLog::new(directory.path(), 10);
        let (mut file, start) = log.open().unwrap();
        writeln!(file, "0123456789abcdef").unwrap();
        assert!(log.rotate_if_needed().unwrap());
        assert!(!log.rotate_if_needed().unwrap());
        writeln!(file, "next").unwrap();
        assert_eq!(fs::read_to_string(log.path()).unwrap(), "next\n");
        let older = directory.path().join("agent.log.1");
        assert_eq!(fs::read_to_string(&older).unwrap(), "789abcdef\n");
        assert_eq!(log.tail(start, 5), ["next"]);

        writeln!(file, "and some more").unwrap();
        let (_file, start) = log.open().unwrap();
        assert_eq!(start, 0);
        assert_eq!(fs::read_to_string(&older).unwrap(), "next\nand some more\n");
    }
}
