//! The kernel's table of TCP sockets (proc(5), `/proc/<pid>/net/tcp` and `tcp6`).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state of a socket that listens.
const LISTEN: u8 = 0x0a;

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    pub local: SocketAddr,
    /// The other end; zeros where it listens.
    pub remote: SocketAddr,
    pub listens: bool,
    /// 0 while no process holds it: not yet accepted, or closed already.
    pub inode: u64,
}

/// The table of the network that a process is in.
pub fn table(pid: &str) -> Vec<Socket> {
    let read = |name| fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    let (four, six) = (read("tcp"), read("tcp6"));
    four.lines().chain(six.lines()).filter_map(Socket::parse).collect()
}

impl Socket {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let local = address(fields.next()?)?;
        let remote = address(fields.next()?)?;
        let state = u8::from_str_radix(fields.next()?, 16).ok()?;
        let inode = fields.nth(5)?.parse().ok()?;
        Some(Self { local, remote, listens: state == LISTEN, inode })
    }
}

/// `0100007F:1F90`: each 32 bits as the machine's own number, the port as a plain one. An IPv4
/// address inside of an IPv6 one comes out as itself.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    if !matches!(host.len(), 8 | 32) {
        return None;
    }
    for group in host.as_bytes().chunks(8) {
        let group = u32::from_str_radix(std::str::from_utf8(group).ok()?, 16).ok()?;
        bytes.extend(group.to_ne_bytes());
    }
    let host = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(host.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_and_both_ends_of_a_connection_are_in_the_table() {
        for host in ["127.0.0.1", "::1"] {
            let Ok(listener) = std::net::TcpListener::bind((host, 0)) else { continue };
            let address = listener.local_addr().unwrap();
            let client = std::net::TcpStream::connect(address).unwrap();
            let (_server, _) = listener.accept().unwrap();
            let table = table("self");
            assert!(table.iter().any(|one| one.listens && one.local == address));
            let local = client.local_addr().unwrap();
            let accepted = table.iter().find(|one| one.local == address && one.remote == local);
            assert!(accepted.unwrap().inode > 0);
        }
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        assert_eq!(address("0100007F:1F90"), "127.0.0.1:8080".parse().ok());
        let mapped = address("0000000000000000FFFF00000100007F:0050");
        assert_eq!(mapped, "127.0.0.1:80".parse().ok());
        assert_eq!(address("00000000000000000000000001000000:0050"), "[::1]:80".parse().ok());
        for bad in ["", "0100007F", "01:1", "0100007F0100007F:0050", "XX00007F:0050"] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }
}
