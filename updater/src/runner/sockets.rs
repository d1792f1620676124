//! The listening sockets of an app. The updater opens them and passes them on to each agent, so
//! that one can follow the other without a connection being refused.
//!
//! They are never closed while an agent may be meant to run. The next updater is handed them down
//! ([`SocketStore`]), or takes them from the agent; so it does with what an agent, started before, has
//! opened itself. It must never accept a connection.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Instance, SocketStore};
use crate::config::ListenSocket;
use crate::sys::process::ProcessId;
use crate::sys::{listen, proc, tcp};

/// Why a socket cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// It cannot be opened. If an agent has it, that is not the one that the updater knows of.
    #[error("listen on {address} for the agent")]
    Open {
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The agent has it, and it could not be had from there.
    #[error("take the socket that listens on {address} over from the agent, process {pid}")]
    TakeOver {
        address: SocketAddr,
        pid: u32,
        /// What the system said.
        source: io::Error,
    },
}

/// The sockets of one app, as its configuration has them.
#[derive(Debug)]
pub(super) struct Sockets {
    app: String,
    wanted: Vec<ListenSocket>,
    store: Arc<SocketStore>,
    /// The start of an agent that was last asked for them.
    asked: Mutex<Option<String>>,
}

impl Sockets {
    /// Of the app of this name, kept in `store`.
    pub(super) fn new(app: String, wanted: &[ListenSocket], store: Arc<SocketStore>) -> Self {
        Self { app, wanted: wanted.to_vec(), store, asked: Mutex::default() }
    }

    /// Takes hold of all of them: from the agent that runs, or anew.
    pub(super) fn hold(&self, running: Option<&Instance>) -> Result<(), SocketError> {
        let _alone = self.asked();
        self.store.revive(&self.app);
        let members = running.map(Instance::members).unwrap_or_default();
        for address in self.missing() {
            let socket = match copy(address, &members)? {
                Some(copied) => copied,
                None => open(address)?,
            };
            self.store.keep(&self.app, address, socket);
        }
        Ok(())
    }

    /// Takes hold of those that an agent has, once for each start: when it dies, they would be
    /// lost. None is opened anew: the agent may be about to do that itself.
    pub(super) fn share(&self, running: &Instance) {
        let mut asked = self.asked();
        let missing = self.missing();
        if missing.is_empty() || asked.as_deref() == Some(running.mark()) {
            return;
        }
        *asked = Some(running.mark().to_owned());
        let members = running.members();
        for address in missing {
            if let Ok(Some(copied)) = copy(address, &members) {
                self.store.keep(&self.app, address, copied);
            }
        }
    }

    /// Closes them, also for the agents that have copies.
    pub(super) fn let_go(&self) {
        *self.asked() = None;
        self.store.close(&self.app);
    }

    /// Copies of them, with the names that the agent knows them by.
    pub(super) fn copies(&self) -> io::Result<Vec<(String, OwnedFd)>> {
        let copy = |socket: &ListenSocket| {
            let found = self.store.find(&self.app, socket.address)?;
            Ok((socket.name.clone(), found.ok_or(io::ErrorKind::NotConnected)?))
        };
        self.wanted.iter().map(copy).collect()
    }

    fn missing(&self) -> Vec<SocketAddr> {
        let addresses = self.wanted.iter().map(|socket| socket.address);
        addresses.filter(|address| !self.has(*address)).collect()
    }

    fn has(&self, address: SocketAddr) -> bool {
        self.store.find(&self.app, address).is_ok_and(|found| found.is_some())
    }

    fn asked(&self) -> MutexGuard<'_, Option<String>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another descriptor of what one of these processes listens with.
fn copy(address: SocketAddr, members: &[u32]) -> Result<Option<OwnedFd>, SocketError> {
    // In this network: what listens there in another one is not what people connect to here.
    let listens = |socket: &tcp::Socket| socket.listens && socket.local == address;
    let socket = tcp::table("self", tcp::Wanted::Listeners).into_iter().find(listens);
    for pid in members {
        let number = socket.as_ref().and_then(|socket| proc::descriptor_of(*pid, socket.inode));
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
    // While no agent accepts, connections wait here.
    let socket = listen(address).map_err(|source| SocketError::Open { address, source })?;
    Ok(socket.into())
}
