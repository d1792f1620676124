//! Accepts connections, so many at a time, each under deadlines.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio_rustls::TlsAcceptor;

use crate::api::{Caller, Who};
use crate::config::LimitsConfig;
use crate::server::connection::serve_connection;

/// Opens and closes the listening side without closing the socket: connections then wait in the
/// socket's queue, for this updater or for the next.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A gate that is open, or not.
    pub fn new(open: bool) -> Self {
        Self(Arc::new(watch::Sender::new(open)))
    }

    /// Opens or closes it.
    pub fn set(&self, open: bool) {
        self.0.send_replace(open);
    }
}

/// Serves until the process ends.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    limits: LimitsConfig,
    gate: Gate,
) {
    let mut open = gate.0.subscribe();
    let places = Arc::new(Semaphore::new(limits.connections));
    let numbers = AtomicU64::new(1);
    let limits = Arc::new(limits);
    let mut strangers = Strangers::default();
    loop {
        if open.wait_for(|open| *open).await.is_err() {
            return;
        }
        if places.available_permits() == 0 {
            strangers.leave_one();
        }
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = open.wait_for(|open| !*open) => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, mostly: those who leave make room.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let (acceptor, router) = (TlsAcceptor::from(Arc::clone(&tls)), router.clone());
        let limits = Arc::clone(&limits);
        let asked_to_leave = strangers.add();
        tokio::spawn(async move {
            let _place = place;
            greet(stream, acceptor, router, &limits, number, asked_to_leave).await;
        });
    }
}

/// Connections that have not shown a certificate yet, the oldest first. When all places are taken,
/// the oldest of them leaves: an idle crowd must not keep the master waiting.
#[derive(Debug, Default)]
struct Strangers(VecDeque<oneshot::Sender<()>>);

impl Strangers {
    /// One more, who is known as soon as the receiver is dropped.
    fn add(&mut self) -> oneshot::Receiver<()> {
        while self.0.front().is_some_and(oneshot::Sender::is_closed) {
            self.0.pop_front();
        }
        let (leave, asked_to_leave) = oneshot::channel();
        self.0.push_back(leave);
        asked_to_leave
    }

    /// Asks the oldest to leave, if there is one.
    fn leave_one(&mut self) {
        while self.0.pop_front().is_some_and(|leave| leave.send(()).is_err()) {}
    }
}

async fn greet(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    limits: &LimitsConfig,
    number: u64,
    asked_to_leave: oneshot::Receiver<()>,
) {
    let _ = stream.set_nodelay(true);
    let handshake = acceptor.accept(stream);
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(limits.handshake_timeout.0, handshake) => shaken,
        Ok(()) = asked_to_leave => return,
    };
    let Ok(shaken) = shaken else { return };
    let stream = match shaken {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a handshake failed");
            return;
        }
    };
    let certificates = stream.get_ref().1.peer_certificates();
    let peer = match pki::peer_of(certificates) {
        Ok(peer) => peer,
        Err(error) => {
            tracing::debug!(%error, "a certificate was not understood");
            return;
        }
    };
    let caller = Caller { who: Who::Peer(peer), connection: number };
    serve_connection(stream, router, caller, limits).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_stranger_leaves_and_those_who_are_known_stay() {
        let mut strangers = Strangers::default();
        let known = strangers.add();
        let (mut older, mut younger) = (strangers.add(), strangers.add());
        drop(known);
        strangers.leave_one();
        assert!(older.try_recv().is_ok());
        assert!(younger.try_recv().is_err());
        strangers.leave_one();
        assert!(younger.try_recv().is_ok());
        strangers.leave_one();
    }
}
