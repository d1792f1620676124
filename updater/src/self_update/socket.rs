//! The listening socket: the one that systemd passes on (`updater.socket`), or one of our own.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use crate::sys::listen;

/// How long the port may stay with an updater that was killed.
const LETTING_GO: Duration = Duration::from_secs(5);

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The configuration's address cannot be had.
    #[error("listen on {address}")]
    Listen { address: String, source: io::Error },
    /// What systemd passed on is not one listening TCP socket.
    #[error("use the socket of the socket unit")]
    Passed(#[source] io::Error),
}

/// The socket of the socket unit, of which `passed` are all, if there is one; else one that listens on
/// `address`.
pub fn listening_socket(passed: Vec<OwnedFd>, address: &str) -> Result<TcpListener, SocketError> {
    match passed_socket(passed).map_err(SocketError::Passed)? {
        Some(socket) => {
            let actual = socket.local_addr().map_err(SocketError::Passed)?;
            if address.parse::<SocketAddr>().is_ok_and(|wanted| wanted.port() != actual.port()) {
                tracing::warn!("the socket unit listens on {actual}, and `listen` says {address}");
            }
            Ok(socket)
        }
        None => bind(address)
            .map_err(|source| SocketError::Listen { address: address.to_owned(), source }),
    }
}

fn passed_socket(mut passed: Vec<OwnedFd>) -> io::Result<Option<TcpListener>> {
    let Some(socket) = passed.pop() else { return Ok(None) };
    if !passed.is_empty() {
        return Err(io::Error::other("it has more than one ListenStream="));
    }
    let socket = TcpListener::from(socket);
    // Of any other kind of socket this is refused.
    socket.local_addr()?;
    Ok(Some(socket))
}

/// An updater whose parent was killed follows it at once, but not in the same instant.
fn bind(address: &str) -> io::Result<TcpListener> {
    let deadline = Instant::now() + LETTING_GO;
    loop {
        let bound = match address.parse() {
            Ok(address) => listen(address),
            Err(_) => TcpListener::bind(address),
        };
        match bound {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            bound => return bound,
        }
    }
}
