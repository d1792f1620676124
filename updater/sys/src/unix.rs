//! The kernel's table of Unix sockets (`/proc/<pid>/net/unix`), as far as they listen.

use std::fs::File;
use std::io::{BufRead as _, BufReader};

/// In the flags of a socket: it takes connections.
const LISTENS: u32 = 1 << 16;

/// The inodes of the sockets that listen, in the network that a process is in.
pub fn listeners(pid: u32) -> Vec<u64> {
    let Ok(file) = File::open(format!("/proc/{pid}/net/unix")) else { return Vec::new() };
    let lines = BufReader::with_capacity(64 << 10, file).split(b'\n');
    lines
        .map_while(Result::ok)
        .filter_map(|line| listener(&String::from_utf8_lossy(&line)))
        .collect()
}

/// `0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/x`.
fn listener(line: &str) -> Option<u64> {
    let mut fields = line.split_ascii_whitespace().skip(3);
    let flags = u32::from_str_radix(fields.next()?, 16).ok()?;
    let inode = fields.nth(2)?.parse().ok()?;
    (flags & LISTENS != 0).then_some(inode)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::proc;

    #[test]
    fn a_socket_that_listens_is_told_from_one_that_is_connected() {
        let own = std::process::id();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a socket");
        let listener = UnixListener::bind(&path).unwrap();
        let connected = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let held = |descriptor: i32| {
            let inode = |inode: &u64| proc::descriptor_of(own, *inode) == Some(descriptor);
            proc::sockets(own).into_iter().find(inode).unwrap()
        };
        let all = listeners(own);
        assert!(all.contains(&held(listener.as_raw_fd())));
        assert!(!all.contains(&held(connected.as_raw_fd())));
    }
}
