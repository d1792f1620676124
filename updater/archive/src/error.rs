//! Why an archive was not taken.

use std::io;

use protocol::PathRule;
use sys::printable_name;

use crate::rule::Rule;

/// Why an archive was not unpacked. What was written by then is in the directory, for the caller
/// to remove.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// More archive bytes than the limit.
    #[error("take the archive: it has more than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The archive breaks a rule.
    #[error("unpack {}: {detail}", entry.as_deref().unwrap_or("the archive"))]
    Rejected {
        rule: Rule,
        /// The entry's name, made printable; absent where the stream itself is at fault.
        entry: Option<String>,
        /// What the rule asks for, and what was found.
        detail: String,
    },
    /// The sender went away, or was told to.
    #[error("receive the archive")]
    Interrupted {
        /// What the source said.
        source: io::Error,
    },
    /// This host's disk, or another of its resources, refused.
    #[error("{what}")]
    Io { what: String, source: io::Error },
}

impl UnpackError {
    /// Whether the disk, its inodes or a quota are used up.
    pub fn is_no_space(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), StorageFull | QuotaExceeded))
    }

    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }
}

/// What to do where another program takes the archive.
const REPACK: &str = "; repack it: `tar x && swarm pack`";

/// Why one thread of the pipeline stopped.
#[derive(Debug)]
pub(crate) enum ReadEnd {
    /// Its neighbour went first, and knows why.
    Neighbour,
    Failed(UnpackError),
}

impl ReadEnd {
    /// A broken rule, with what was found.
    pub(crate) fn rule(rule: impl Into<Rule>, found: &str) -> Self {
        let rule = rule.into();
        let repack = if rule.is_repackable() { REPACK } else { "" };
        let detail = format!("{rule}; {found}{repack}");
        Self::from(UnpackError::Rejected { rule, entry: None, detail })
    }

    /// Names the entry that this is about, if it is about one that has not been named.
    pub(crate) fn at(mut self, name: &[u8]) -> Self {
        if let Self::Failed(UnpackError::Rejected { entry: entry @ None, .. }) = &mut self {
            *entry = Some(printable_name(name));
        }
        self
    }
}

impl From<PathRule> for ReadEnd {
    fn from(rule: PathRule) -> Self {
        Rule::from(rule).into()
    }
}

impl From<Rule> for ReadEnd {
    fn from(rule: Rule) -> Self {
        let repack = if rule.is_repackable() { REPACK } else { "" };
        let detail = format!("{rule}{repack}");
        Self::Failed(UnpackError::Rejected { rule, entry: None, detail })
    }
}

impl From<UnpackError> for ReadEnd {
    fn from(error: UnpackError) -> Self {
        Self::Failed(error)
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let error = |code: Errno| UnpackError::io("write a", code.into());
        assert!(error(Errno::NOSPC).is_no_space());
        assert!(error(Errno::DQUOT).is_no_space());
        assert!(!error(Errno::IO).is_no_space());
    }
}
