//! The listening sockets of apps, handed down from each process of the updater to the next.
//!
//! systemd keeps a copy of each for the unit of the updater (`FDSTORE=1`, `sd_notify(3)`), and gives
//! them to the unit's next process, however the one before has ended; a successor has them from the
//! updater that starts it. Without a unit they are held by this process alone. It must never accept a
//! connection.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::socket::{Backlog, Shutdown, getsockopt, listen, shutdown, sockopt::AcceptConn};

use crate::sys::passed_descriptors;
use crate::systemd::notify;

/// What the names begin with under which systemd keeps them: those of a socket unit have other ones.
const PREFIX: &str = "app.";

/// Open sockets, by app and address.
#[derive(Debug, Default)]
pub struct SocketStore(Mutex<Store>);

#[derive(Debug, Default)]
struct Store {
    all: Vec<Stored>,
    /// Whether this process is in charge, so that systemd hears of them from it.
    told: bool,
}

#[derive(Debug)]
struct Stored {
    app: String,
    address: SocketAddr,
    socket: OwnedFd,
}

impl SocketStore {
    /// What was handed down to this process; and what else was passed on to it, which is of a socket
    /// unit. To be called once.
    pub fn passed() -> io::Result<(Self, Vec<OwnedFd>)> {
        let mut store = Store::default();
        let mut others = Vec::new();
        for (name, descriptor) in passed_descriptors()? {
            match name.strip_prefix(PREFIX) {
                Some(app) => {
                    let socket = TcpListener::from(descriptor);
                    let (app, address) = (app.to_owned(), socket.local_addr()?);
                    store.all.push(Stored { app, address, socket: socket.into() });
                }
                None => others.push(descriptor),
            }
        }
        Ok((Self(Mutex::new(store)), others))
    }

    /// This process is in charge, and apps listen there and nowhere else: what is kept of other
    /// sockets is closed. An agent that has a copy goes on with it.
    pub fn settle(&self, wanted: &[(String, SocketAddr)]) {
        let mut store = self.store();
        let is_wanted = |stored: &Stored| {
            stored.revive();
            stored.listens() && wanted.contains(&(stored.app.clone(), stored.address))
        };
        let (all, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut store.all).into_iter().partition(is_wanted);
        *store = Store { all, told: true };
        // By name, and what is wanted of this app too: so that is said after it.
        for other in &others {
            notify::let_go(&other.name());
        }
        for stored in &store.all {
            stored.tell();
        }
    }

    pub fn keep(&self, app: &str, address: SocketAddr, socket: OwnedFd) {
        let mut store = self.store();
        let stored = Stored { app: app.to_owned(), address, socket };
        if store.told {
            stored.tell();
        }
        store.all.push(stored);
    }

    /// Has those of an app listen again that an agent with a copy has shut: another agent with a copy
    /// goes on accepting, as if nothing had been.
    pub fn revive(&self, app: &str) {
        let store = self.store();
        for stored in store.all.iter().filter(|stored| stored.app == app) {
            if stored.revive() && store.told {
                // systemd lets go of what is shut.
                stored.tell();
            }
        }
    }

    /// Another descriptor of the one that listens there, if it is kept.
    pub fn find(&self, app: &str, address: SocketAddr) -> io::Result<Option<OwnedFd>> {
        let store = self.store();
        let is_it = |stored: &&Stored| {
            (stored.app.as_str(), stored.address) == (app, address) && stored.listens()
        };
        store.all.iter().find(is_it).map(|stored| stored.socket.try_clone()).transpose()
    }

    /// Closes those of an app, also where agents have copies of them: connections are refused.
    pub fn close(&self, app: &str) {
        let mut store = self.store();
        let closed: Vec<_> = store.all.extract_if(.., |stored| stored.app == app).collect();
        for stored in &closed {
            // The port is free at once, though systemd takes a moment to close what it has.
            let _ = shutdown(stored.socket.as_raw_fd(), Shutdown::Both);
        }
        if let Some(stored) = closed.first().filter(|_| store.told) {
            notify::let_go(&stored.name());
        }
    }

    /// Copies of all, with the names under which the next process of the updater knows them.
    pub fn copies(&self) -> io::Result<Vec<(String, OwnedFd)>> {
        let store = self.store();
        let copy = |stored: &Stored| Ok((stored.name(), stored.socket.try_clone()?));
        store.all.iter().map(copy).collect()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    fn name(&self) -> String {
        format!("{PREFIX}{}", self.app)
    }

    /// Whether it still does: a process that has a copy can end that.
    fn listens(&self) -> bool {
        getsockopt(&self.socket, AcceptConn).unwrap_or(false)
    }

    /// Whether it was shut, and listens again. Where it cannot, another one is opened in its place.
    fn revive(&self) -> bool {
        !self.listens() && listen(&self.socket, Backlog::MAXCONN).is_ok()
    }

    fn tell(&self) {
        notify::keep(&self.name(), self.socket.as_fd());
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    const HERE: &str = "127.0.0.1:0";

    fn opened(store: &SocketStore, app: &str) -> SocketAddr {
        let socket = TcpListener::bind(HERE).unwrap();
        let address = socket.local_addr().unwrap();
        store.keep(app, address, socket.into());
        address
    }

    #[test]
    fn what_no_app_wants_is_let_go_and_an_agent_with_a_copy_goes_on() {
        let store = SocketStore::default();
        let (wanted, moved, left) =
            (opened(&store, "a"), opened(&store, "a"), opened(&store, "gone"));
        let agents = store.find("a", moved).unwrap().unwrap();
        store.settle(&[("a".to_owned(), wanted), ("b".to_owned(), left)]);
        assert!(store.find("a", wanted).unwrap().is_some());
        assert!(store.find("a", moved).unwrap().is_none());
        assert!(store.find("gone", left).unwrap().is_none() && store.copies().unwrap().len() == 1);
        TcpStream::connect(moved).unwrap();
        assert!(TcpStream::connect(left).is_err());
        drop(agents);
    }

    #[test]
    fn what_is_closed_refuses_and_can_be_opened_again_though_there_are_copies() {
        let store = SocketStore::default();
        let (closed, other) = (opened(&store, "a"), opened(&store, "b"));
        let copy = store.find("a", closed).unwrap().unwrap();
        store.close("a");
        assert!(TcpStream::connect(closed).is_err());
        let anew = TcpListener::bind(closed).unwrap();
        store.keep("a", closed, copy);
        assert!(store.find("a", closed).unwrap().is_none(), "it listens no more");
        store.keep("a", closed, anew.into());
        assert!(store.find("a", closed).unwrap().is_some());
        TcpStream::connect(other).unwrap();
    }
}
