//! A system call on a host's files, and its name.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use protocol::{Digest, TransactionId};

/// Which of a call's arguments say what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Path(usize),
    /// A directory and a path.
    At(usize, usize),
    File(usize),
}

/// One call. Threads take turns as they like, but each does the same things in the same order: so a
/// call is known by its thread, what it does to which path, and how many such there were before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub thread: String,
    pub name: &'static str,
    /// What it is about, below the host's directory. Names that differ in every run stand as
    /// `DIGEST`, `TRANSACTION` and `.new`.
    pub path: PathBuf,
    /// Which one it is of this thread's calls of this name on this path, from 1.
    pub number: usize,
    pub act: Effect,
}

/// What a call does to a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Opens what is there.
    Open,
    /// Opens a file, and makes or empties it if need be.
    Make,
    /// Reads names or bytes.
    Read,
    Write,
    /// Brings to the disk.
    Sync,
    /// Makes, removes or changes a name or an inode.
    Change,
}

impl Effect {
    /// Whether something is otherwise after it.
    pub const fn changes(self) -> bool {
        matches!(self, Self::Make | Self::Write | Self::Change)
    }

    /// Whether it takes a descriptor.
    pub const fn opens(self) -> bool {
        matches!(self, Self::Open | Self::Make)
    }
}

impl Call {
    /// Whether it is of the same thread, and does the same.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (&self.thread, self.name, &self.path) == (&other.thread, other.name, &other.path)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, name, path, number, .. } = self;
        write!(formatter, "{thread}:{name}:{}:{number}", path.display())
    }
}

/// A path with the same names in every run.
pub(super) fn with_stable_names(path: &Path) -> PathBuf {
    let name = |component: Component<'_>| {
        let text = component.as_os_str().to_string_lossy().into_owned();
        match &*text {
            text if names_a_release(text) => "DIGEST".to_owned(),
            text if text.parse::<TransactionId>().is_ok() => "TRANSACTION".to_owned(),
            text if text.starts_with(".new-") => ".new".to_owned(),
            _ => text,
        }
    };
    path.components().map(name).collect()
}

/// Whether it is a digest, or the short name of one in `store/`.
fn names_a_release(text: &str) -> bool {
    let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    text.parse::<Digest>().is_ok() || (digits && text.len() >= 12)
}
