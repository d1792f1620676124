//! The listening sockets of an app. The updater opens them and passes them on to each agent, so
//! that one can follow the other without a connection being refused.
//!
//! They are never closed while an agent may be meant to run. An updater that died leaves them to
//! the agent, and the next updater takes them from there; so it does with what an agent, started
//! before, has opened itself. It must never accept a connection.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::socket::{Backlog, listen};

use super::Instance;
use crate::config::ListenSocket;
use crate::sys::process::ProcessId;
use crate::sys::{proc, tcp};

/// The first descriptor that is passed on: `sd_listen_fds(3)`.
const FIRST: i32 = 3;

/// Why a socket cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// It cannot be opened. If an agent has it, that is not the one that the updater knows of.
    #[error("listen on {address} for the agent")]
    Open {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The agent has it, and it could not be had from there.
    #[error("take the socket that listens on {address} over from the agent, process {pid}")]
    TakeOver {
        /// Where.
        address: SocketAddr,
        /// Who has it.
        pid: u32,
        /// What the system said.
        source: io::Error,
    },
}

/// The sockets of one app, as its configuration has them.
#[derive(Debug)]
pub(super) struct Sockets {
    wanted: Vec<ListenSocket>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// All of them, in the same order, or none.
    sockets: Vec<OwnedFd>,
    /// The start of an agent that was last asked for them.
    asked: Option<String>,
}

impl Sockets {
    pub(super) fn new(wanted: &[ListenSocket]) -> Self {
        Self { wanted: wanted.to_vec(), held: Mutex::default() }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Takes hold of all of them: from the agent that runs, or anew.
    pub(super) fn hold(&self, running: Option<&Instance>) -> Result<(), SocketError> {
        let mut held = self.held();
        if held.sockets.len() == self.wanted.len() {
            return Ok(());
        }
        let members = running.map(Instance::members).unwrap_or_default();
        let obtain = |socket: &ListenSocket| match copy(socket.address, &members)? {
            Some(copied) => Ok(copied),
            None => open(socket.address),
        };
        held.sockets = self.wanted.iter().map(obtain).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Takes hold of those that an agent has, once for each start: when it dies, they would be
    /// lost. None is opened anew: the agent may be about to do that itself.
    pub(super) fn share(&self, running: &Instance) {
        let mut held = self.held();
        let asked = held.asked.as_deref() == Some(running.mark());
        if asked || held.sockets.len() == self.wanted.len() {
            return;
        }
        held.asked = Some(running.mark().to_owned());
        let members = running.members();
        let copies = self.wanted.iter().map(|socket| copy(socket.address, &members).ok().flatten());
        held.sockets = copies.collect::<Option<_>>().unwrap_or_default();
    }

    /// Closes them. What the agent has of them stays open.
    pub(super) fn let_go(&self) {
        *self.held() = Held::default();
    }

    /// Copies of them, with the numbers under which they are passed on.
    pub(super) fn numbered(&self) -> io::Result<Vec<(OwnedFd, i32)>> {
        let held = self.held();
        let numbered = held.sockets.iter().zip(FIRST..);
        numbered.map(|(socket, number)| Ok((socket.try_clone()?, number))).collect()
    }

    /// What the agent learns of them; `LISTEN_PID` only the process itself can know.
    pub(super) fn variables(&self) -> [(String, String); 2] {
        let names: Vec<&str> = self.wanted.iter().map(|socket| socket.name.as_str()).collect();
        [
            ("LISTEN_FDS".to_owned(), self.wanted.len().to_string()),
            ("LISTEN_FDNAMES".to_owned(), names.join(":")),
        ]
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another descriptor of what one of these processes listens with.
fn copy(address: SocketAddr, members: &[u32]) -> Result<Option<OwnedFd>, SocketError> {
    for pid in members {
        // Each process has its own view: it may be in another network.
        let listens = |socket: &tcp::Socket| socket.listens && socket.local == address;
        let socket = tcp::table(&pid.to_string()).into_iter().find(listens);
        let number = socket.and_then(|socket| proc::descriptor_of(*pid, socket.inode));
        let Some(number) = number else { continue };
        let taken = || {
            let process = ProcessId::of(*pid).map(|id| id.open()).transpose()?.flatten();
            process.map(|process| process.copy_descriptor(number)).transpose()
        };
        let taken = taken().map_err(|source| SocketError::TakeOver { address, pid: *pid, source });
        if let Some(copied) = taken? {
            return Ok(Some(copied));
        }
    }
    Ok(None)
}

fn open(address: SocketAddr) -> Result<OwnedFd, SocketError> {
    let failed = |source| SocketError::Open { address, source };
    let socket = TcpListener::bind(address).map_err(failed)?;
    // While no agent accepts, connections wait here. The standard library has room for 128.
    listen(&socket, Backlog::MAXCONN).map_err(|errno| failed(errno.into()))?;
    Ok(socket.into())
}
