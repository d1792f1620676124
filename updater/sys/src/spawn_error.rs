//! Why a process could not be started.

use std::io;
use std::path::PathBuf;

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error("start an empty command")]
    Empty,
    /// No directory of the PATH has the program.
    #[error("find the program: {program:?} is not in the PATH ({path})")]
    NotInPath {
        program: String,
        /// Where it was looked for.
        path: String,
    },
    /// The program is not there, or is no file that can be executed.
    #[error("execute {program}: {why}")]
    NotExecutable {
        program: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The disk does not say whether the program is there.
    #[error("look at {program}", program = program.display())]
    Unreadable {
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory to start in is not there.
    #[error("start in {directory}: it is not a directory")]
    NoDirectory { directory: PathBuf },
    /// Another user was asked for, and the updater is not root.
    #[error("become the user {0:?}: the updater does not run as root")]
    NotRoot(String),
    /// No network was asked for, and the updater is not root.
    #[error("take the network away from a build: the updater does not run as root")]
    Network,
    /// A descriptor could not be passed on.
    #[error("pass an open descriptor on to {program}")]
    Inherit {
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system did not start it.
    #[error("start {program} as {user}")]
    Start {
        program: PathBuf,
        /// The user that it should run as.
        user: String,
        /// What the system said.
        source: io::Error,
    },
}

impl SpawnError {
    /// Whether the program itself is at fault: it is not there, or is none that the kernel knows. A word
    /// without a slash names a program of the host, which may lack it.
    pub fn is_of_the_program(&self) -> bool {
        match self {
            Self::Empty | Self::NotExecutable { .. } => true,
            Self::Start { source, .. } => {
                source.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error())
            }
            _ => false,
        }
    }
}
