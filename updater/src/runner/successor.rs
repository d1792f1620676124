//! Which process of an agent takes the place of its first one, when that ends: nginx, gunicorn and unicorn
//! start themselves anew on USR2, and the one before ends when it is told to.

use std::process::ExitStatus;

use crate::sys::proc::{self, Stat};
use crate::sys::process::ProcessId;
use crate::sys::tcp::{Wanted, table};
use crate::sys::unix;

/// Younger than the first process by less than this, in hundredths of a second, it is a part of the same
/// start: what went to the background.
const SAME_START: u64 = 50;

/// The process that leads from now on, of those that are `left` of an agent whose `leader` has ended: the one
/// to which all others belong, if the end was meant to be, it is younger, is still in the session of the one
/// before (what goes to the background leaves that), and takes connections. Where `status` is not known, it
/// must have processes of its own besides: the last worker of a server that crashed has none.
pub(super) fn successor(
    leader: &ProcessId,
    session: u32,
    status: Option<ExitStatus>,
    left: &[Stat],
) -> Option<ProcessId> {
    if status.is_some_and(|status| !status.success()) {
        return None;
    }
    let root = root_of(left)?;
    let leads = status.is_some() || left.iter().any(|stat| stat.parent == root.pid);
    let is_new = root.start_time > leader.start_time + SAME_START;
    (is_new && leads && root.session == session && listens(root.pid))
        .then(|| ProcessId::from_stat(root))
}

/// The one that no other of them has started, if there is only one.
fn root_of(left: &[Stat]) -> Option<&Stat> {
    let is_root = |stat: &&Stat| left.iter().all(|other| other.pid != stat.parent);
    let mut roots = left.iter().filter(is_root);
    roots.next().filter(|_| roots.next().is_none())
}

/// Whether a process takes connections.
fn listens(pid: u32) -> bool {
    let held = proc::sockets(pid);
    let tcp = table(&pid.to_string(), Wanted::Listeners);
    let listening = tcp.iter().map(|socket| socket.inode).chain(unix::listeners(pid));
    held.iter().any(|inode| listening.clone().any(|other| other == *inode))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn stat(pid: u32, parent: u32, start_time: u64) -> Stat {
        Stat { pid, state: 'S', parent, group: 1, session: 1, threads: 1, start_time }
    }

    #[test]
    fn there_is_one_root_or_none() {
        let (first, second) = (stat(10, 1, 5), stat(11, 1, 5));
        let child = stat(12, 10, 6);
        assert_eq!(root_of(&[first, child]), Some(&first));
        assert_eq!(root_of(&[first, second, child]), None);
        assert_eq!(root_of(&[]), None);
    }

    #[test]
    fn one_that_takes_no_connections_or_follows_a_crash_is_no_successor() {
        let leader = ProcessId { pid: 1, start_time: 0, boot_id: String::new() };
        // This process listens, and is what is left.
        let own = proc::stat(std::process::id()).unwrap();
        let of = |leader: &ProcessId, status: Option<i32>, left: &[Stat]| {
            successor(leader, own.session, status.map(ExitStatus::from_raw), left)
                .map(|next| next.pid)
        };
        assert_eq!(of(&leader, Some(0), &[own]), None);
        let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(of(&leader, Some(0), &[own]), Some(own.pid));
        assert_eq!(of(&leader, Some(9), &[own]), None);
        let good = Some(ExitStatus::from_raw(0));
        assert_eq!(successor(&leader, own.session + 1, good, &[own]), None);
        // How it ended is not known: a process of its own says that it leads.
        assert_eq!(of(&leader, None, &[own]), None);
        let worker = stat(u32::MAX, own.pid, own.start_time);
        assert_eq!(of(&leader, None, &[own, worker]), Some(own.pid));
        let of_the_same_start = ProcessId { start_time: own.start_time - 1, ..leader };
        assert_eq!(of(&of_the_same_start, Some(0), &[own]), None);
    }
}
