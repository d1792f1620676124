//! Where a probe asks by HTTP: a TCP port, or a Unix socket, which may be of the release.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use tokio::net::UnixStream;

use crate::config::UNIX;
use crate::release::open_named;
use crate::sys::fs::path_of;

/// What a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Tcp {
        host: String,
        port: u16,
    },
    /// Relative to the release, or absolute.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => {
                write!(formatter, "[{host}]:{port}")
            }
            Self::Tcp { host, port } => write!(formatter, "{host}:{port}"),
            Self::Unix(path) => write!(formatter, "{UNIX}{}", path.display()),
        }
    }
}

/// Connects to a socket by a handle on it, and not by its path, which may be longer than the 107 bytes that an
/// address has. What a release links into `shared/` is followed, and nothing that leads elsewhere.
pub(super) async fn connect_unix(release: &Path, socket: &Path) -> io::Result<UnixStream> {
    let handle = open_named(release, socket)?;
    UnixStream::connect(path_of(&handle)).await
}
