//! The TCP connection over which a program is asked.

use std::io;

use tokio::net::TcpStream;

/// A connection to `address`, and not to itself.
pub(super) async fn connect(address: &str) -> io::Result<TcpStream> {
    let connection = TcpStream::connect(address).await?;
    // Connecting to a port of one's own range may connect a socket to itself.
    if connection.local_addr()? == connection.peer_addr()? {
        return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
    }
    Ok(connection)
}
