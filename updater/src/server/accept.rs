//! Accepts connections at once, so many at a time, each under deadlines.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use nix::sys::resource::{Resource, getrlimit};
use pki::{Peer, Role};
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::api::{Caller, Who};
use crate::config::LimitsConfig;
use crate::server::connection::serve_connection;
use crate::server::connection_limit::ConnectionPool;

/// Opens and closes the listening side without closing the socket: connections then wait in the
/// socket's queue, for this updater or for the next.
#[derive(Debug, Clone)]
pub struct AcceptSwitch(Arc<watch::Sender<bool>>);

impl AcceptSwitch {
    /// A gate that is open, or not.
    pub fn new(open: bool) -> Self {
        Self(Arc::new(watch::Sender::new(open)))
    }

    /// Opens or closes it.
    pub fn set(&self, open: bool) {
        self.0.send_replace(open);
    }
}

/// What all connections share.
struct Door {
    tls: Arc<ServerConfig>,
    router: Router,
    limits: LimitsConfig,
    /// Who has not said a whole hello yet, by where they come from: an idle crowd stays among
    /// themselves.
    silent: Arc<ConnectionPool<IpAddr>>,
    /// Who has not shown a certificate yet, by where they come from.
    strangers: Arc<ConnectionPool<IpAddr>>,
    /// The masters: nobody else takes their places.
    masters: Arc<ConnectionPool<()>>,
    /// Everybody else, by who they are.
    others: Arc<ConnectionPool<Role>>,
}

/// Serves until the process ends.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    limits: LimitsConfig,
    gate: AcceptSwitch,
) {
    let mut open = gate.0.subscribe();
    let numbers = AtomicU64::new(1);
    let mut told = false;
    let places = places(limits.connections);
    let door = Arc::new(Door {
        tls,
        router,
        limits,
        silent: ConnectionPool::new(places),
        strangers: ConnectionPool::new(places),
        masters: ConnectionPool::new(places),
        others: ConnectionPool::new(places),
    });
    loop {
        if open.wait_for(|open| *open).await.is_err() {
            return;
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = open.wait_for(|open| !*open) => continue,
        };
        match accepted {
            Ok((stream, from)) => {
                told = false;
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(Arc::clone(&door).greet(stream, source(from.ip()), number));
            }
            Err(error) => {
                // Out of descriptors, mostly. A crowd could repeat that a hundred times a second.
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!("a connection could not be accepted: {error}");
                }
                door.silent.make_room();
                door.strangers.make_room();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// The places of each of the four crowds. What else the updater opens must never fail because of
/// them: together they get four fifths of the descriptors at most.
fn places(wanted: usize) -> usize {
    let Ok((descriptors, _)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let possible = usize::try_from(descriptors / 5).unwrap_or(wanted).max(1);
    if possible < wanted {
        tracing::warn!(
            "limits.connections is {wanted}, and {descriptors} open files allow {possible}"
        );
    }
    wanted.min(possible)
}

/// What counts as one place to come from. Of IPv6 it is the network: whoever has one has all its
/// addresses (RFC 6177).
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

impl Door {
    /// One connection, from its first byte to its last.
    async fn greet(self: Arc<Self>, stream: TcpStream, source: IpAddr, number: u64) {
        let handshake = self.shake_hands(stream, source, number);
        let shaken = tokio::time::timeout(self.limits.handshake_timeout.0, handshake).await;
        let Ok(Some((stream, peer))) = shaken else { return };
        let role = peer.role.clone();
        let caller = Caller { who: Who::Peer(peer), connection: number };
        let served = serve_connection(stream, self.router.clone(), caller, &self.limits);
        if role == Role::Master {
            let mut place = self.masters.admit((), number);
            tokio::select! { () = served => {}, () = place.lost() => {} }
        } else {
            let mut place = self.others.admit(role, number);
            tokio::select! { () = served => {}, () = place.lost() => {} }
        }
    }

    /// Nothing, if it failed, or somebody else took the place.
    async fn shake_hands(
        &self,
        stream: TcpStream,
        source: IpAddr,
        number: u64,
    ) -> Option<(TlsStream<TcpStream>, Peer)> {
        let _ = stream.set_nodelay(true);
        let mut place = self.silent.admit(source, number);
        let greeted = tokio::select! {
            greeted = LazyConfigAcceptor::new(Acceptor::default(), stream) => fine(greeted)?,
            () = place.lost() => return None,
        };
        drop(place);
        let mut place = self.strangers.admit(source, number);
        let stream = tokio::select! {
            shaken = greeted.into_stream(Arc::clone(&self.tls)) => fine(shaken)?,
            () = place.lost() => return None,
        };
        let peer = fine(pki::peer_of(stream.get_ref().1.peer_certificates()))?;
        Some((stream, peer))
    }
}

fn fine<T>(result: Result<T, impl Display>) -> Option<T> {
    result.inspect_err(|error| tracing::debug!("a handshake failed: {error}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_place_and_so_is_an_address_of_ipv4() {
        let of = |address: &str| source(address.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn descriptors_are_left_for_the_updaters_own_work() {
        let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let most = usize::try_from(descriptors / 5).unwrap();
        assert_eq!(places(usize::MAX), most);
        assert_eq!(places(1), 1);
    }
}
