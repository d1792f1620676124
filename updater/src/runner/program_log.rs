//! What a program has printed, run by run, for operators who read it from afar.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::UNIX_EPOCH;

use protocol::LogItem;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Bytes that are read of what was printed before, at most.
pub(super) const PAST_BYTES: usize = 4 << 20;
/// Bytes that are read at a time of what is printed now.
pub(super) const READ_BYTES: usize = 256 << 10;
/// Characters of a line that are shown.
pub(super) const LINE_CHARACTERS: usize = 16 << 10;

/// One run of a program, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedRun {
    /// The last one, whether or not it has ended.
    Last,
    /// The one before it.
    Previous,
}

/// Up to where an app's output has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPosition {
    /// In the file that the updater keeps.
    File {
        /// Which file it is: the log is put aside when it is full. None if there was none.
        file: Option<LogFileId>,
        offset: u64,
        /// The start of the last run that is known to the reader.
        run: Option<OffsetDateTime>,
    },
    /// In the journal.
    Journal(JournalPosition),
}

/// Which file it is: its number as an inode, which the file system gives again to another one, and when it
/// was made, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFileId {
    inode: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<u64>,
}

impl LogFileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let made = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let made = made.and_then(|since| u64::try_from(since.as_nanos()).ok());
        Self { inode: metadata.ino(), made }
    }
}

/// A place in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalPosition {
    /// Behind this entry.
    Cursor(String),
    /// Nothing was read yet: what is from then on.
    Since(OffsetDateTime),
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRead {
    pub items: Vec<LogItem>,
    /// Where to go on.
    pub position: LogPosition,
}

/// Where an app's output is kept. All of it blocks; for a plain thread.
pub trait ProgramLog: Send + Sync {
    /// The last lines of a run. Where more is to be read, `goes_on`, a line that has no end yet is left for then.
    fn read_run(&self, run: LoggedRun, lines: usize, goes_on: bool) -> LogRead;

    /// What was printed behind a place.
    fn read_after(&self, position: &LogPosition) -> LogRead;
}

/// What is said in the place of a run that is not known.
pub(super) fn no_previous() -> LogItem {
    LogItem::Note("nothing is kept of a run before this one".to_owned())
}

/// What is said where a reader was too slow.
pub(super) fn left_out() -> LogItem {
    LogItem::Note("lines are missing here: more was printed than could be sent".to_owned())
}
