//! One connection to one updater: TCP, TLS with the pinned certificate, HTTP/1.1.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use pki::{Fingerprint, HandshakeError};
use protocol::HostName;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::updater_client::{ClientError, Timeouts};

/// What hyper may hold of one connection, in either direction.
const BUFFER: usize = 64 * 1024;

pub(super) type RequestBody = UnsyncBoxBody<Bytes, io::Error>;

/// A connection on which one request can be made. It is closed when this is dropped.
pub(super) struct Connection {
    sender: SendRequest<RequestBody>,
    driver: JoinHandle<()>,
    address: String,
    /// The certificate that the updater has shown.
    pub(super) shown: Option<Fingerprint>,
}

impl Connection {
    /// Opens it. The handshake fails unless the host's own updater answers, with a certificate
    /// that was recorded for it.
    pub(super) async fn open(
        address: &str,
        host: &HostName,
        tls: &Arc<ClientConfig>,
        timeouts: &Timeouts,
    ) -> Result<Self, ClientError> {
        let name = pki::server_name(host)?;
        let connect = |source| ClientError::Connect { address: address.to_owned(), source };
        let stream = with_timeout(timeouts.connect, "connect", TcpStream::connect(address)).await?;
        let stream = stream.map_err(connect)?;
        stream.set_nodelay(true).map_err(connect)?;
        let connector = TlsConnector::from(Arc::clone(tls));
        let handshake = connector.connect(name, stream);
        let stream =
            with_timeout(timeouts.handshake, "finish the TLS handshake", handshake).await?;
        let stream = stream.map_err(|error| match HandshakeError::find(&error) {
            Some(source) => {
                ClientError::Handshake { address: address.to_owned(), source: Box::new(source) }
            }
            None => connect(error),
        })?;
        let certificates = stream.get_ref().1.peer_certificates();
        let shown = certificates.and_then(<[_]>::first).map(Fingerprint::of);
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ClientError::of_connection(address, error))?;
        // How it ended, the request's own future says.
        let driver = tokio::spawn(async { drop(connection.await) });
        Ok(Self { sender, driver, address: address.to_owned(), shown })
    }

    /// Makes the request, and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, ClientError> {
        let answer = self.sender.send_request(request).await;
        answer.map_err(|error| ClientError::of_connection(&self.address, error))
    }

    /// Whom it is to.
    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Waits, but not for ever.
pub(super) async fn with_timeout<T>(
    limit: Duration,
    what: &'static str,
    future: impl Future<Output = T>,
) -> Result<T, ClientError> {
    let waited = tokio::time::timeout(limit, future).await;
    waited.map_err(|_| ClientError::TimedOut { what, limit })
}
