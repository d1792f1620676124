//! What can go wrong with the store.

use std::io;
use std::path::PathBuf;

use explain::{Exit, Explain, FailureCode};
use protocol::{Digest, HostName, SHORTEST_ID};

use crate::{RolloutId, STORE_FORMAT};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file could not be made or looked at.
    #[error("open the store {}", .path.display())]
    File { path: PathBuf, source: io::Error },
    /// The file was not made by `swarm`.
    #[error("open the store {}: it is not a store of swarm's", .0.display())]
    Foreign(PathBuf),
    /// A newer `swarm` wrote it. It was not touched.
    #[error("open the store {}: its format is {format}, this swarm knows {STORE_FORMAT}", .path.display())]
    Newer {
        path: PathBuf,
        /// The version of its format.
        format: u32,
    },
    /// SQLite says it in many ways, none of which an operator would take for this.
    #[error("use the store: its disk is full")]
    DiskFull(#[source] rusqlite::Error),
    #[error("use the store")]
    Sqlite(#[source] rusqlite::Error),
    /// No host has this name.
    #[error("find a host named {name}")]
    UnknownHost {
        /// The name that was asked for.
        name: String,
        /// The nearest one that there is.
        nearest: Option<String>,
    },
    /// The name is taken.
    #[error("enroll {0}: a host of that name is enrolled")]
    HostExists(HostName),
    /// The host was decommissioned before.
    #[error("address {0}: it is decommissioned")]
    Decommissioned(HostName),
    /// No rollout has this id.
    #[error("find the rollout {0}")]
    UnknownRollout(RolloutId),
    /// No rollout's id ends so.
    #[error("find the rollout {0}")]
    NoSuchRollout(String),
    #[error("find the rollout {name}: {count} rollouts are meant by it")]
    ManyRollouts { name: String, count: usize },
    /// A part of an id that is too short to mean one thing tomorrow as well.
    #[error(
        "find the {what} {name:?}: fewer than {SHORTEST_ID} characters of an id are not enough"
    )]
    ShortId { what: &'static str, name: String },
    /// No plan has this digest.
    #[error("find the plan {0}")]
    UnknownPlan(Digest),
    /// No plan's digest begins so.
    #[error("find the plan {name}: there is no such plan")]
    NoSuchPlan {
        name: String,
        /// The newest of those that there are, by the beginnings of their digests.
        kept: Vec<String>,
    },
    #[error("find the plan {name}: {count} plans begin so")]
    ManyPlans { name: String, count: usize },
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        if is_disk_full(&error) { Self::DiskFull(error) } else { Self::Sqlite(error) }
    }
}

/// Whether a write failed for want of room: beside `SQLITE_FULL`, the I/O errors of writing and of growing
/// a file say so.
fn is_disk_full(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{
        SQLITE_FULL, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE,
    };
    let codes = [SQLITE_FULL, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE];
    matches!(
        error,
        rusqlite::Error::SqliteFailure(failure, _) if codes.contains(&failure.extended_code)
    )
}

impl Explain for StoreError {
    fn code(&self) -> FailureCode {
        match self {
            Self::Newer { .. } => FailureCode::NewerFormat,
            Self::DiskFull(_) => FailureCode::NoSpace,
            Self::UnknownHost { .. } => FailureCode::UnknownHost,
            Self::HostExists(_) => FailureCode::HostExists,
            Self::Decommissioned(_) => FailureCode::Decommissioned,
            Self::UnknownRollout(_) | Self::NoSuchRollout(_) => FailureCode::UnknownRollout,
            Self::ManyRollouts { .. } | Self::ManyPlans { .. } => FailureCode::Ambiguous,
            Self::ShortId { .. } => FailureCode::ShortId,
            Self::UnknownPlan(_) | Self::NoSuchPlan { .. } => FailureCode::UnknownPlan,
            Self::Foreign(_) | Self::File { .. } | Self::Sqlite(_) => FailureCode::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::DiskFull(_) => Some("make room on the disk of the master's home".to_owned()),
            Self::Newer { .. } => Some("use the swarm that wrote it, or a newer one".to_owned()),
            Self::UnknownHost { nearest: Some(name), .. } => Some(format!("is it {name}?")),
            Self::UnknownHost { nearest: None, .. } => Some("run: swarm list".to_owned()),
            Self::HostExists(name) => Some(format!(
                "to give it new certificates, run: swarm enroll --renew {name} --out-dir DIR; for \
                 another machine of that name: swarm decommission {name}, and enroll it again"
            )),
            Self::UnknownRollout(_) | Self::NoSuchRollout(_) => {
                Some("run: swarm rollout list".to_owned())
            }
            Self::ManyRollouts { .. } => Some("write more of its id".to_owned()),
            Self::ManyPlans { .. } => Some("write more of its beginning".to_owned()),
            Self::ShortId { .. } => Some("write more of it".to_owned()),
            Self::NoSuchPlan { kept, .. } if !kept.is_empty() => {
                Some(format!("plans kept here: {}", kept.join(", ")))
            }
            Self::UnknownPlan(_) | Self::NoSuchPlan { .. } => {
                Some("make one with: swarm plan".to_owned())
            }
            Self::Decommissioned(_) => Some("enroll it again under its name".to_owned()),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::UnknownHost { .. }
            | Self::UnknownRollout(_)
            | Self::NoSuchRollout(_)
            | Self::ManyRollouts { .. }
            | Self::ShortId { .. }
            | Self::NoSuchPlan { .. }
            | Self::ManyPlans { .. }
            | Self::UnknownPlan(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_however_sqlite_says_it() {
        // As SQLite numbers them: FULL, IOERR_WRITE, IOERR_SHMSIZE, and two of another kind.
        for (code, full) in [(13, true), (778, true), (4874, true), (266, false), (5, false)] {
            let failure = rusqlite::ffi::Error::new(code);
            let error = StoreError::from(rusqlite::Error::SqliteFailure(failure, None));
            assert_eq!(matches!(error, StoreError::DiskFull(_)), full, "{code}");
        }
    }
}
