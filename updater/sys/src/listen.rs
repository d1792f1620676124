//! Sockets that listen, also at an address that the machine does not have yet: at boot the network comes later.

use std::io;
use std::net::{SocketAddr, TcpListener};

use nix::sys::socket::{Backlog, listen as sys_listen};
use rustix::net::sockopt::{set_ip_freebind, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

/// Listens, with the longest queue that the kernel allows: a crowd that fills it would have to knock again, a
/// second later.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match TcpListener::bind(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            let socket = bind_beforehand(address)?;
            tracing::warn!(
                "this machine does not have {} yet: it listens as soon as it does",
                address.ip()
            );
            socket
        }
        bound => bound?,
    };
    sys_listen(&socket, Backlog::MAXCONN)?;
    Ok(socket)
}

fn bind_beforehand(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_reuseaddr(&socket, true)?;
    set_ip_freebind(&socket, true)?;
    bind(&socket, &address)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_not_there_yet_is_listened_at() {
        // None of these is of a machine (RFC 5737, RFC 3849).
        for address in ["192.0.2.1:0", "[2001:db8::1]:0"] {
            let address: SocketAddr = address.parse().unwrap();
            let socket = listen(address).unwrap();
            assert_eq!(socket.local_addr().unwrap().ip(), address.ip());
        }
        let taken = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let again = listen(taken.local_addr().unwrap()).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
    }
}
