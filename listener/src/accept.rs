//! Accepts connections at once, so many at a time, each under deadlines.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use pki::{Peer, Role};
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::serve_connection;
use crate::connection_limit::ConnectionPool;
use crate::http_stream::Refusal;
use crate::limits::Limits;

/// Opens and closes the listening side without closing the socket: connections then wait in the
/// socket's queue, for this process or for the next.
#[derive(Debug, Clone)]
pub struct AcceptSwitch(Arc<watch::Sender<bool>>);

impl AcceptSwitch {
    /// One that is open, or not.
    pub fn new(open: bool) -> Self {
        Self(Arc::new(watch::Sender::new(open)))
    }

    /// Opens or closes it.
    pub fn set(&self, open: bool) {
        self.0.send_replace(open);
    }
}

/// What all connections share.
struct Server<F> {
    tls: Arc<ServerConfig>,
    router: Router,
    caller: F,
    limits: Limits,
    refusal: Refusal,
    /// Connections without a whole hello, by their source: an idle crowd stays among themselves.
    silent: Arc<ConnectionPool<IpAddr>>,
    /// Connections that have not shown a certificate, by their source.
    strangers: Arc<ConnectionPool<IpAddr>>,
    /// Those of masters: no other connection takes their places.
    masters: Arc<ConnectionPool<()>>,
    /// All others, by the role in their certificate.
    others: Arc<ConnectionPool<Role>>,
}

/// Serves until the process ends. Each request carries what `caller` makes of the connection's peer
/// and its number in its extensions.
pub async fn serve<F, C>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    limits: Limits,
    switch: AcceptSwitch,
    refusal: Refusal,
    caller: F,
) where
    F: Fn(Peer, u64) -> C + Send + Sync + 'static,
    C: Clone + Send + Sync + Unpin + 'static,
{
    let mut open = switch.0.subscribe();
    let numbers = AtomicU64::new(1);
    let mut warned = false;
    let size = limits.pool_size();
    let server = Arc::new(Server {
        tls,
        router,
        caller,
        limits,
        refusal,
        silent: ConnectionPool::new(size),
        strangers: ConnectionPool::new(size),
        masters: ConnectionPool::new(size),
        others: ConnectionPool::new(size),
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
                warned = false;
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(Arc::clone(&server).serve_peer(stream, source(from.ip()), number));
            }
            Err(error) => {
                // Out of descriptors, mostly. A crowd could repeat that a hundred times a second.
                if !std::mem::replace(&mut warned, true) {
                    tracing::warn!("a connection could not be accepted: {error}");
                }
                server.silent.make_room();
                server.strangers.make_room();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// What counts as one source. Of IPv6 it is the network: all its addresses have one owner
/// (RFC 6177).
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

impl<F, C> Server<F>
where
    F: Fn(Peer, u64) -> C,
    C: Clone + Send + Sync + Unpin + 'static,
{
    /// One connection, from its first byte to its last.
    async fn serve_peer(self: Arc<Self>, stream: TcpStream, source: IpAddr, number: u64) {
        let handshake = self.shake_hands(stream, source, number);
        let shaken = tokio::time::timeout(self.limits.handshake_timeout, handshake).await;
        let Ok(Some((stream, peer))) = shaken else { return };
        let role = peer.role.clone();
        let caller = (self.caller)(peer, number);
        let (router, limits) = (self.router.clone(), &self.limits);
        let served = serve_connection(stream, router, caller, limits, self.refusal);
        if role == Role::Master {
            let mut permit = self.masters.admit((), number);
            tokio::select! { () = served => {}, () = permit.lost() => {} }
        } else {
            let mut permit = self.others.admit(role, number);
            tokio::select! { () = served => {}, () = permit.lost() => {} }
        }
    }

    /// Nothing, if it failed, or the place was lost to another connection.
    async fn shake_hands(
        &self,
        stream: TcpStream,
        source: IpAddr,
        number: u64,
    ) -> Option<(TlsStream<TcpStream>, Peer)> {
        let _ = stream.set_nodelay(true);
        let mut permit = self.silent.admit(source, number);
        let greeted = tokio::select! {
            greeted = LazyConfigAcceptor::new(Acceptor::default(), stream) => fine(greeted)?,
            () = permit.lost() => return None,
        };
        drop(permit);
        let mut permit = self.strangers.admit(source, number);
        let stream = tokio::select! {
            shaken = greeted.into_stream(Arc::clone(&self.tls)) => fine(shaken)?,
            () = permit.lost() => return None,
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
    fn a_network_of_ipv6_is_one_source_and_so_is_an_address_of_ipv4() {
        let of = |address: &str| source(address.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
