//! What can go wrong with an agent's process.

use std::io;
use std::path::PathBuf;

use common::StateFileError;

use super::SocketError;
use crate::release::RecordError;
use crate::sys::SpawnError;
use crate::sys::executable::UnexecutableError;
use crate::sys::user::UserError;
use crate::systemd::SystemdError;

/// Why an agent could not be started, stopped or found.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The app's units are not made so that one can follow the other.
    #[error("hand the app over: {unit} {why}")]
    NoHandover {
        unit: String,
        /// What is so, in words that follow its name.
        why: String,
    },
    /// What agents listen on could not be opened.
    #[error("open {unit}: it {how}")]
    SocketUnit {
        unit: String,
        /// What became of it, in words that follow its name.
        how: String,
    },
    /// Neither the release nor the host says how it is started.
    #[error(
        "find the command that starts the release: write `command` under `[run]` in its \
         release.toml, or under the app's `run` section in the updater's configuration; `run = []` where it \
         has no process"
    )]
    NoCommand,
    /// It goes to the background, and nothing says which process stays.
    #[error(
        "find the process that goes to the background: `forks = true` needs `pid_file` beside it"
    )]
    NoPidFile,
    /// It did not go to the background as it says.
    #[error("follow the agent to the background: it {why}")]
    Background {
        /// What is so, in words that follow `it`.
        why: String,
        /// What is shown of its output.
        output: Vec<String>,
    },
    /// The app's user is not there.
    #[error(transparent)]
    User(#[from] UserError),
    /// The process could not be started.
    #[error("start the agent")]
    Start(#[from] SpawnError),
    /// What is to be started cannot be executed here.
    #[error(transparent)]
    Unexecutable(#[from] UnexecutableError),
    /// What it listens on could not be passed on.
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("start the agent: it runs already, as process {pid}")]
    Running {
        /// The process that runs.
        pid: u32,
    },
    /// Some of it would not go.
    #[error("stop the agent: of its processes {left} did not go although they were killed")]
    Stuck {
        /// The processes, as `123 (python3), 124 (sh)`.
        left: String,
    },
    /// systemd could not be asked, or did not do it.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// A unit that systemd cannot start at all.
    #[error("start {unit}: it {why}")]
    UnusableUnit {
        unit: String,
        /// What is so, in words that follow its name.
        why: String,
        /// Whether the release shipped it.
        shipped: bool,
    },
    /// A unit that runs did not take the release.
    #[error("reload {unit}: it {how}")]
    Reload {
        unit: String,
        /// What became of it, in words that follow its name.
        how: String,
        /// What is shown of its output.
        output: Vec<String>,
    },
    /// A unit was started, and is not up.
    #[error("start {unit}: it {how}")]
    Unit {
        unit: String,
        /// What became of it, in words that follow its name.
        how: String,
        /// What is shown of what the units told the journal.
        output: Vec<String>,
    },
    /// There is no process that could prove to be of the release.
    #[error("find the main process of {units}: no service among them has one")]
    NoMainProcess { units: String },
    /// The record of the release, which has its unit files, could not be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What was written down of the agent, or of files that were there before the updater's.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    /// A file about the agent could not be read or written.
    #[error("{act} {path}", path = path.display())]
    File {
        /// What was being done to it.
        act: &'static str,
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system did not let the process be followed.
    #[error("follow the agent's process")]
    Follow(#[source] io::Error),
}
