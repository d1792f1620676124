//! The proof by process: the other end of the probe's own connection is held by the new agent.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

use crate::runner::Instance;
use crate::sys::proc;
use crate::sys::tcp::{Socket, Wanted, table};

/// Which process is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// The agent holds the accepted end.
    Accepted,
    /// The accepted end is held by no process (not yet, or not any more), and none but the agent holds
    /// what listens there.
    Listens,
    /// Another process does; which, in words.
    Foreign(String),
    /// None that is to be seen holds it: it proves no process, and is not known to be foreign.
    Unseen(String),
    /// Nothing that listens there is to be seen.
    Unknown,
    /// The release has no process, and any may answer for it.
    NotAsked,
}

/// How often it is looked again where things moved meanwhile.
const LOOKS: usize = 10;

/// Looks which process is at the other end of a connection, which has to be open still.
///
/// The kernel's tables are not one snapshot: a socket may be accepted or closed, and a process
/// forked, between two reads. What does not fit together is looked at again.
pub(super) fn standing(instance: &Instance, local: SocketAddr, peer: SocketAddr) -> Standing {
    let (local, peer) = (canonical(local), canonical(peer));
    (0..LOOKS).find_map(|_| look(instance, local, peer)).unwrap_or_else(|| {
        Standing::Unseen(format!("{peer} is answered by a process that is not to be seen"))
    })
}

/// Whether the accepted end of each of these connections, which have to be open still, is an
/// agent's own, or another process's; `None` while none has accepted it.
pub(super) fn taken(agent: &Instance, ends: &[(SocketAddr, SocketAddr)]) -> Vec<Option<bool>> {
    // All of them lead to one port.
    let Some(port) = ends.first().map(|(_, peer)| peer.port()) else { return Vec::new() };
    let members = agent.members();
    let tables = networks(&members, Wanted::At(port));
    let held: BTreeSet<u64> = members.iter().flat_map(|pid| proc::sockets(*pid)).collect();
    let own = |(local, peer): &(SocketAddr, SocketAddr)| {
        let accepted = accepted(&tables, canonical(*local), canonical(*peer))?;
        Some(held.contains(&accepted.inode))
    };
    ends.iter().map(own).collect()
}

/// Where the agent listens, if that is not there.
pub(super) fn listens_elsewhere(agent: &Instance, asked: SocketAddr) -> Option<SocketAddr> {
    let members = agent.members();
    let held: BTreeSet<u64> = members.iter().flat_map(|pid| proc::sockets(*pid)).collect();
    let tables = networks(&members, Wanted::Listeners);
    let own = |socket: &&Socket| held.contains(&socket.inode);
    let own: Vec<&Socket> = tables.iter().flatten().filter(own).collect();
    let is_asked = own.iter().any(|socket| is_listener(socket, canonical(asked)));
    own.first().filter(|_| !is_asked).map(|socket| socket.local)
}

/// A process that listens where a probe asks, and is neither of the agent that runs now, if one does, nor
/// another one that `is_ours`: no release could be proven there.
pub(super) fn stranger_at(
    agent: Option<&Instance>,
    asked: SocketAddr,
    is_ours: &dyn Fn(u32) -> bool,
) -> Option<String> {
    let members = agent.map(Instance::members).unwrap_or_default();
    let tables = networks(&members, Wanted::At(asked.port()));
    // After the tables: what was opened before them is held by now.
    let held: BTreeSet<u64> = members.iter().flat_map(|pid| proc::sockets(*pid)).collect();
    let mut theirs: BTreeSet<u64> =
        listeners(&tables, canonical(asked)).iter().map(|socket| socket.inode).collect();
    theirs.retain(|inode| !held.contains(inode));
    if theirs.is_empty() {
        return None;
    }
    // In one pass, however many sockets there are.
    let all = proc::all().unwrap_or_default();
    let holds = |pid: &u32| proc::sockets(*pid).iter().any(|inode| theirs.contains(inode));
    let holders: Vec<u32> = all.into_iter().map(|stat| stat.pid).filter(holds).collect();
    let ours = |pid: &u32| keeps(*pid) || members.contains(pid) || is_ours(*pid);
    holders.first().filter(|_| !holders.iter().any(ours)).map(|pid| describe(*pid))
}

/// One look; `None` if things moved.
fn look(instance: &Instance, local: SocketAddr, peer: SocketAddr) -> Option<Standing> {
    let members = instance.members();
    let tables = networks(&members, Wanted::At(peer.port()));
    // After the tables: what was accepted before them is held by now.
    let held: BTreeSet<u64> = members.iter().flat_map(|pid| proc::sockets(*pid)).collect();
    let accepted = accepted(&tables, local, peer);
    if let Some(accepted) = accepted.filter(|socket| !held.contains(&socket.inode)) {
        let who = stranger(instance, accepted.inode)?;
        let text = format!("{peer} is answered by {who}, which is not of the new release");
        return Some(Standing::Foreign(text));
    }
    let listening = listeners(&tables, peer);
    if let Some(other) = listening.iter().find(|socket| !held.contains(&socket.inode)) {
        let who = stranger(instance, other.inode)?;
        let text = format!("{who} listens at {} and is not of the new release", other.local);
        return Some(Standing::Foreign(text));
    }
    if let Some(accepted) = accepted {
        return Some(match older_than_reload(instance, &members, accepted.inode) {
            Some(pid) => Standing::Unseen(format!(
                "{peer} is answered by {}, which is older than the reload",
                describe(pid)
            )),
            None => Standing::Accepted,
        });
    }
    if listening.is_empty() {
        return Some(Standing::Unknown);
    }
    // A process that shares what listens may have answered.
    let shared = listening.iter().find_map(|socket| {
        holders(socket.inode).into_iter().find(|pid| !members.contains(pid) && !keeps(*pid))
    });
    match shared {
        None => Some(Standing::Listens),
        Some(pid) if instance.owns(pid) => None,
        Some(pid) => Some(Standing::Foreign(format!(
            "{} shares the listening socket and is not of the new release",
            describe(pid)
        ))),
    }
}

/// A process of an agent that was told to follow the release and holds this socket, where all that do so were there
/// before it was told.
fn older_than_reload(agent: &Instance, members: &[u32], inode: u64) -> Option<u32> {
    let since = agent.reloaded()?;
    let holders = || members.iter().filter(|pid| proc::sockets(**pid).contains(&inode));
    let is_younger = |pid: &u32| proc::stat(*pid).is_some_and(|stat| stat.start_time >= since);
    let first = holders().next()?;
    (!holders().any(is_younger)).then_some(*first)
}

/// The other end of a connection, if a process has it.
fn accepted(tables: &[Vec<Socket>], local: SocketAddr, peer: SocketAddr) -> Option<Socket> {
    let other_end =
        |socket: &&Socket| socket.local == peer && socket.remote == local && socket.inode != 0;
    tables.iter().flatten().find(other_end).copied()
}

/// What would be given a connection to `peer`, in the first of these networks that has such a thing: those
/// of another network than the answer's do not matter.
fn listeners(tables: &[Vec<Socket>], peer: SocketAddr) -> Vec<&Socket> {
    let table = tables.iter().find(|table| table.iter().any(|socket| is_listener(socket, peer)));
    let mut all: Vec<_> =
        table.into_iter().flatten().filter(|socket| is_listener(socket, peer)).collect();
    // One of the address's own family is given the connection, and not one for both.
    let own = |socket: &&Socket| socket.local.is_ipv4() == peer.is_ipv4();
    if all.iter().any(own) {
        all.retain(own);
    }
    all
}

/// Whether a socket may be given a connection to `peer`.
fn is_listener(socket: &Socket, peer: SocketAddr) -> bool {
    let host = socket.local.ip();
    socket.listens
        && socket.local.port() == peer.port()
        && (host == peer.ip() || host.is_unspecified())
}

/// The tables of the networks that the agent is in, each once, and then of the updater's own.
fn networks(members: &[u32], wanted: Wanted) -> Vec<Vec<Socket>> {
    let network = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net"));
    let mut seen = BTreeSet::new();
    let candidates = members.iter().map(u32::to_string).chain(["self".to_owned()]);
    candidates
        .filter(|pid| network(pid).is_ok_and(|network| seen.insert(network)))
        .map(|pid| table(&pid, wanted))
        .collect()
}

/// The process that holds a socket, if none that does is of the agent.
fn stranger(instance: &Instance, inode: u64) -> Option<String> {
    let holders = holders(inode);
    let members = instance.members();
    let first = holders.first().filter(|_| !holders.iter().any(|pid| members.contains(pid)))?;
    Some(describe(*first))
}

fn holders(inode: u64) -> Vec<u32> {
    let all = proc::all().unwrap_or_default();
    all.into_iter()
        .map(|stat| stat.pid)
        .filter(|pid| proc::sockets(*pid).contains(&inode))
        .collect()
}

/// Whether a process only keeps what agents listen with, to pass it on, and never accepts: the
/// updater, or the init system with a socket unit.
fn keeps(pid: u32) -> bool {
    pid == std::process::id() || pid == 1
}

fn describe(pid: u32) -> String {
    format!("pid {pid} ({})", proc::name(pid))
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
