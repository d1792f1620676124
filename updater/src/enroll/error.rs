//! Why a host was not enrolled.

use std::io;
use std::path::PathBuf;

use pki::{FileError, IdentityError, Role};

use crate::config::ConfigError;

/// Why nothing was put in place.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// The files in the bundle are no identity.
    #[error("use the identity in the bundle")]
    Identity(#[from] IdentityError),
    /// They are one, and not for this: the wrong role, or out of its time.
    #[error("use the identity in the bundle: {0}")]
    Unfit(String),
    /// The agent's identity beside it is of another host.
    #[error("use the bundle: its updater is {updater} and its agent is {agent}")]
    Mixed {
        /// The role of the updater's certificate.
        updater: Role,
        /// The role of the agent's.
        agent: Role,
    },
    /// A file is not there, or is none.
    #[error("read {path} of the bundle", path = .path.display())]
    Read { path: PathBuf, source: io::Error },
    /// Another user owns it, and may have changed it.
    #[error("use the bundle: {path} belongs to the user {owner}, and not to root or to you",
        path = .path.display())]
    Foreign {
        /// Which file or directory.
        path: PathBuf,
        /// The number of that user.
        owner: u32,
    },
    /// Another user may have changed it.
    #[error("use the bundle: others may write {path}; run: chmod go-w {path}", path = .0.display())]
    Open(PathBuf),
    /// There is no configuration, or it cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is another identity.
    #[error("put the identity of {new} into {path}: {there} is there",
        path = .path.display())]
    Other {
        path: PathBuf,
        /// What is in the bundle.
        new: Role,
        /// What is in the directory.
        there: String,
    },
    /// The identity could not be written.
    #[error("put the identity in place")]
    Place(#[from] FileError),
    /// Another file could not be read or written.
    #[error("put {path} in place", path = .path.display())]
    File { path: PathBuf, source: io::Error },
}

impl EnrollError {
    /// What to do about it, where that is not in the message.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Read { .. } => {
                "name the directory that `swarm enroll --updater --out-dir DIR` made"
            }
            Self::Foreign { .. } => "copy the bundle again, as the user who enrolls this host",
            Self::Unfit(_) | Self::Mixed { .. } => {
                "make a new bundle: swarm enroll --updater --out-dir DIR"
            }
            Self::Other { .. } => "--force puts the new one there, and keeps the old one beside it",
            _ => return None,
        };
        Some(text.to_owned())
    }
}
