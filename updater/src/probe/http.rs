//! Asking by TCP, HTTP and HTTPS.
//!
//! Straight to the address that is configured: no proxy, no redirect, nothing remembered from one
//! question to the next. The connection is open until it is known who is at its other end.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use common::chain;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use protocol::Proof;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::owner::{Standing, standing, taken};
use super::target::HttpTarget;
use super::{Answer, Expectation, echo};
use crate::runner::Instance;
use crate::sys::output::printable;

/// Bytes of a body that are read.
const BODY_BYTES: usize = 64 * 1024;
/// Characters of a body that are kept.
const EXCERPT: usize = 400;

/// A TCP connection is made, and its other end looked at.
pub(super) async fn ask_tcp(address: &str, expected: &Expectation) -> Answer {
    let connection = match connect(address).await {
        Ok(connection) => connection,
        Err(error) => return Answer::silence(format!("connect to {address}: {error}")),
    };
    let ends = match Ends::of(&connection) {
        Ok(ends) => ends,
        Err(error) => return Answer::failure(format!("connect to {address}: {error}")),
    };
    let proof = match ends.look(expected).await {
        Standing::Accepted | Standing::Listens => Ok(Proof::Process),
        Standing::Foreign(who) => Err(who),
        Standing::Unknown => Err(UNKNOWN.to_owned()),
    };
    drop(connection);
    Answer::healthy(format!("{address} takes connections"), proof)
}

const UNKNOWN: &str = "the process that answers could not be established";

/// A GET is sent, and its answer looked at.
pub(super) async fn ask_http(target: &HttpTarget, expected: &Expectation) -> Answer {
    let address = target.address();
    let connection = match connect(&address).await {
        Ok(connection) => connection,
        Err(error) => return Answer::silence(format!("connect to {address}: {error}")),
    };
    let ends = match Ends::of(&connection) {
        Ok(ends) => ends,
        Err(error) => return Answer::failure(format!("connect to {address}: {error}")),
    };
    let process_counts = target.pointer.is_none() || expected.process_too;
    let before = if process_counts { ends.look(expected).await } else { Standing::Unknown };
    if let Standing::Foreign(who) = before {
        return Answer::failure(who);
    }
    let mut driver = JoinSet::new();
    let exchange = match exchange(connection, target, &mut driver).await {
        Ok(exchange) => exchange,
        Err(why) => return Answer::failure(format!("{}: {why}", target.uri)),
    };
    let status = exchange.status;
    let mut answer = if status.is_success() {
        let after = if process_counts { ends.look(expected).await } else { Standing::Unknown };
        let proof = prove(target, expected, &exchange.body, &before, after);
        Answer::healthy(format!("{} answered {status}", target.uri), proof)
    } else {
        Answer::failure(format!("{} answered {status}", target.uri))
    };
    answer.body = Some(excerpt(&exchange.body)).filter(|text| !text.is_empty());
    // Until here the connection was held open.
    drop(exchange.sender);
    answer
}

fn prove(
    target: &HttpTarget,
    expected: &Expectation,
    body: &[u8],
    before: &Standing,
    after: Standing,
) -> Result<Proof, String> {
    if let Some(pointer) = &target.pointer {
        echo::check(body, pointer, expected)?;
        if !expected.process_too {
            return Ok(Proof::Echo);
        }
    }
    match after {
        Standing::Accepted => Ok(Proof::Process),
        // A server may close at once. Then what listened has to have been the agent's all the time.
        Standing::Listens if matches!(before, Standing::Accepted | Standing::Listens) => {
            Ok(Proof::Process)
        }
        Standing::Foreign(who) => Err(who),
        Standing::Listens | Standing::Unknown => Err(UNKNOWN.to_owned()),
    }
}

/// An answer, and the connection that it came on.
pub(super) struct Exchange {
    pub(super) status: StatusCode,
    body: Bytes,
    sender: http1::SendRequest<Empty<Bytes>>,
}

/// Sends the question, by TLS where that is asked for, and reads the whole answer.
pub(super) async fn exchange(
    connection: TcpStream,
    target: &HttpTarget,
    driver: &mut JoinSet<()>,
) -> Result<Exchange, String> {
    let Some((name, config)) = &target.tls else {
        return exchange_over(connection, target, driver).await;
    };
    let connector = TlsConnector::from(config.clone());
    match connector.connect(name.clone(), connection).await {
        Ok(connection) => exchange_over(connection, target, driver).await,
        Err(error) => Err(format!("the TLS handshake failed: {}", chain(&error))),
    }
}

async fn exchange_over(
    connection: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    target: &HttpTarget,
    driver: &mut JoinSet<()>,
) -> Result<Exchange, String> {
    let path = target.uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = target.uri.authority().map_or("", |authority| authority.as_str());
    let request = Request::get(path)
        .header(header::HOST, authority)
        .header(header::USER_AGENT, "updater-probe")
        .header(header::ACCEPT, "application/json, */*;q=0.5")
        .body(Empty::new())
        .map_err(|error| chain(&error))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(connection)).await.map_err(|error| chain(&error))?;
    driver.spawn(async move {
        // Its error is the request's too.
        let _ = connection.await;
    });
    let response = sender.send_request(request).await.map_err(|error| chain(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), BODY_BYTES)
        .collect()
        .await
        .map_err(|error| format!("answered {status}, and then: {}", chain(error.as_ref())))?;
    Ok(Exchange { status, body: body.to_bytes(), sender })
}

pub(super) async fn connect(address: &str) -> io::Result<TcpStream> {
    let connection = TcpStream::connect(address).await?;
    // Connecting to a port of one's own range may connect a socket to itself.
    if connection.local_addr()? == connection.peer_addr()? {
        return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
    }
    Ok(connection)
}

/// Both ends of a connection.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    local: SocketAddr,
    peer: SocketAddr,
}

impl Ends {
    pub(super) fn of(connection: &TcpStream) -> io::Result<Self> {
        Ok(Self { local: connection.local_addr()?, peer: connection.peer_addr()? })
    }

    /// Whether an agent has taken each of these connections, or somebody else has; `None` if nobody
    /// has yet.
    pub(super) async fn taken(all: &[Self], agent: &Instance) -> Vec<Option<bool>> {
        let (all, agent) = (all.to_vec(), agent.clone());
        let look = move || {
            let ends: Vec<_> = all.iter().map(|ends| (ends.local, ends.peer)).collect();
            taken(&agent, &ends)
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    /// Reads `/proc`, which may take a while on a large host.
    async fn look(self, expected: &Expectation) -> Standing {
        let instance = expected.instance.clone();
        let look = move || standing(&instance, self.local, self.peer);
        tokio::task::spawn_blocking(look).await.unwrap_or(Standing::Unknown)
    }
}

fn excerpt(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).trim().chars().take(EXCERPT).collect();
    printable(text.as_bytes())
}
