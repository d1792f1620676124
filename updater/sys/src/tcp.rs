//! The kernel's table of TCP sockets (proc(5), `/proc/<pid>/net/tcp` and `tcp6`).

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state of a socket that listens, as the kernel writes it.
const LISTENS: &[u8] = b"0A";
/// That of a connection that has ended, and that no process has any more.
const TIME_WAIT: &[u8] = b"06";

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

/// Which lines of the table are read. A busy host has tens of thousands, most of them of connections
/// that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// What listens.
    Listeners,
    /// What listens at a port, or is connected to it.
    At(u16),
}

/// The table of the network that a process is in.
pub fn table(pid: &str, wanted: Wanted) -> Vec<Socket> {
    let read = |name, digits| read(&format!("/proc/{pid}/net/{name}"), digits, wanted);
    let mut sockets = read("tcp", 8);
    sockets.extend(read("tcp6", 32));
    sockets
}

/// `digits`: how long an address is, as the kernel writes it.
fn read(path: &str, digits: usize, wanted: Wanted) -> Vec<Socket> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    let mut file = BufReader::with_capacity(64 << 10, file);
    let (mut line, mut sockets) = (Vec::new(), Vec::new());
    while file.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        if wanted.is_in(&line, digits) {
            sockets.extend(std::str::from_utf8(&line).ok().and_then(Socket::parse));
        }
        line.clear();
    }
    sockets
}

impl Wanted {
    /// Looks at the few bytes of a line that tell: `  12: 0100007F:1F90 00000000:0000 0A …`.
    fn is_in(self, line: &[u8], digits: usize) -> bool {
        let Some(number) = line.iter().position(|byte| *byte == b':') else { return false };
        let port = number + 2 + digits + 1;
        let state = port + 4 + 1 + digits + 5 + 1;
        let (port, state) = (line.get(port..port + 4), line.get(state..state + 2));
        match self {
            Self::Listeners => state == Some(LISTENS),
            Self::At(wanted) => {
                state != Some(TIME_WAIT) && port == Some(hexadecimal(wanted).as_slice())
            }
        }
    }
}

fn hexadecimal(port: u16) -> [u8; 4] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    [12, 8, 4, 0].map(|shift| DIGITS[usize::from(port >> shift & 0xf)])
}

impl Socket {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let local = address(fields.next()?)?;
        let remote = address(fields.next()?)?;
        let listens = fields.next()?.as_bytes() == LISTENS;
        let inode = fields.nth(5)?.parse().ok()?;
        Some(Self { local, remote, listens, inode })
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
            let listeners = table("self", Wanted::Listeners);
            assert!(listeners.iter().any(|one| one.local == address));
            assert!(listeners.iter().all(|one| one.listens));
            let table = table("self", Wanted::At(address.port()));
            assert!(table.iter().any(|one| one.listens && one.local == address));
            assert!(table.iter().all(|one| one.local.port() == address.port()));
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
