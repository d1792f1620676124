//! `log-starts.json`: where in an app's log its last runs begin.
//!
//! It is there to be read by operators alone: an agent starts also where it cannot be written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use common::{failed_to, state_file};
use protocol::{Digest, FORMAT};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Launch;
use super::program_log::{LogFileId, LoggedRun};

/// Runs that are kept: the last one, and the one before it.
const KEPT: usize = 2;

/// Where a run begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogStart {
    #[serde(with = "time::serde::rfc3339")]
    pub(super) at: OffsetDateTime,
    pub(super) release: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    /// Which file the log was then.
    pub(super) file: LogFileId,
    /// Bytes that were in it.
    pub(super) offset: u64,
}

/// The last runs, the latest at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogStarts {
    format: u32,
    pub(super) starts: Vec<LogStart>,
}

impl LogStarts {
    /// Those that are written down beside a log.
    pub(super) fn read(log: &Path) -> Self {
        let known = state_file::read(&file(log), FORMAT).ok().flatten();
        known.unwrap_or(Self { format: FORMAT, starts: Vec::new() })
    }

    /// Writes down that a run begins at the end of the log.
    pub(super) fn add(log: &Path, launch: &Launch, at: OffsetDateTime) {
        if let Err(error) = Self::try_add(log, launch, at) {
            tracing::warn!("where the output of a start begins is not kept: {error}");
        }
    }

    fn try_add(log: &Path, launch: &Launch, at: OffsetDateTime) -> Result<(), String> {
        let now = fs::metadata(log).map_err(|error: io::Error| error.to_string())?;
        let mut known = Self::read(log);
        let (release, version) = (launch.digest, launch.version.clone());
        known.starts.push(LogStart {
            at,
            release,
            version,
            file: LogFileId::of(&now),
            offset: now.len(),
        });
        let over = known.starts.len().saturating_sub(KEPT);
        known.starts.drain(..over);
        state_file::write(&file(log), &known).map_err(|error| failed_to(&error))
    }

    /// Where a run begins, and where the next one does, if there is one.
    pub(super) fn bounds(&self, run: LoggedRun) -> Option<(&LogStart, Option<&LogStart>)> {
        match (run, self.starts.as_slice()) {
            (LoggedRun::Last, [.., last]) => Some((last, None)),
            (LoggedRun::Previous, [.., before, last]) => Some((before, Some(last))),
            _ => None,
        }
    }
}

impl LogStart {
    /// Its release, in words: `1.8.0 (9f86d081)`.
    pub(super) fn release_words(&self) -> String {
        let digest = self.release.short();
        self.version.as_ref().map_or(digest.clone(), |version| format!("{version} ({digest})"))
    }
}

fn file(log: &Path) -> PathBuf {
    log.with_file_name("log-starts.json")
}
