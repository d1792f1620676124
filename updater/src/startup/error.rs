//! Why an updater cannot start, or go on.

use std::io;
use std::path::PathBuf;

use pki::{IdentityError, TlsError};

use crate::daemon::DaemonError;
use crate::self_update::{ChannelError, TakeoverError};

/// Why an updater cannot start, or go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("make the directory {}", .directory.display())]
    StateDirectory { directory: PathBuf, source: io::Error },
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("find a host in the identity's role")]
    NoHost,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("find out which release this updater is of")]
    Executable(#[source] io::Error),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    #[error("use the listening socket")]
    Socket(#[source] io::Error),
    #[error("listen on the local socket")]
    LocalSocket(#[source] io::Error),
    #[error("make the threads of the updater")]
    Threads(#[source] io::Error),
    #[error("listen for SIGTERM")]
    Signal(#[source] io::Error),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Takeover(#[from] TakeoverError),
}

impl StartError {
    /// Whether the configuration, the identity or the host is at fault (a user or a key that is not there):
    /// another release of the updater would find it so too.
    pub fn is_of_host(&self) -> bool {
        matches!(self, Self::StateDirectory { .. } | Self::Identity(_) | Self::Daemon(_))
    }
}
