//! Why a step of a drill failed.

use std::io;
use std::path::PathBuf;

use common::StateFileError;
use protocol::Outcome;

use crate::runner::RunnerError;
use crate::sys::SpawnError;
use crate::sys::user::UserError;
use crate::transaction::{AppError, Failure, KeptError};

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    #[error("{act} {path}", path = path.display())]
    Disk {
        act: &'static str,
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no scratch app.
    #[error(transparent)]
    App(#[from] AppError),
    /// An archive could not be made.
    #[error("pack the drill's release")]
    Pack(#[source] io::Error),
    /// The updater that should do it could not be started.
    #[error("start an updater for the drill")]
    Start(#[from] SpawnError),
    /// The user that this process runs as is not known.
    #[error(transparent)]
    User(#[from] UserError),
    /// It could not be followed.
    #[error("follow the drill's updater")]
    Follow(#[source] io::Error),
    /// The whole drill took too long.
    #[error("finish within {0} (limits.drill_timeout)")]
    TimedOut(protocol::Period),
    /// The updater that did it said why not.
    #[error("carry this out: {0}")]
    Said(String),
    /// It was not killed where it should have been.
    #[error("be killed at {0}: the updater ended before it came there")]
    NotKilled(&'static str),
    /// The transaction ended otherwise.
    #[error("end as {expected}: it ended as {found}", found = found.map_or("nothing", |it| it.into_str()))]
    Ended {
        /// How it had to.
        expected: Outcome,
        found: Option<Outcome>,
    },
    /// Afterwards something is not as it has to be.
    #[error("leave the app whole: {0}")]
    NotWhole(&'static str),
    /// The journal cannot be read.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    /// A release cannot be read.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// The agent cannot be ended.
    #[error("end the drill's agent")]
    Agent(#[source] RunnerError),
}

impl From<DrillError> for Failure {
    fn from(error: DrillError) -> Self {
        Self::host(&error)
    }
}

impl DrillError {
    pub(super) fn disk(
        act: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { act, path, source }
    }
}
