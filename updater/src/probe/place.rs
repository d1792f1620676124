//! Where a probe asks by HTTP: a TCP port, or a Unix socket, which may be of the release.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use tokio::net::UnixStream;

use crate::config::UNIX;
use crate::sys::fs::open_directory;

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

/// Connects to a socket by way of its directory: the whole path may be longer than the 107 bytes that an
/// address has.
pub(super) async fn connect_unix(release: &Path, socket: &Path) -> io::Result<UnixStream> {
    let path = release.join(socket);
    let (directory, name) =
        path.parent().zip(path.file_name()).ok_or(io::ErrorKind::InvalidInput)?;
    // What a release links into `shared/` is followed.
    let directory = open_directory(&directory.canonicalize()?)?;
    let near = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    UnixStream::connect(near).await
}
