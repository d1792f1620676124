//! Asking by TCP, HTTP and HTTPS.
//!
//! Straight to the address that is configured: no proxy, no redirect, nothing remembered from one
//! question to the next. The connection is open until it is known which process is at its other end.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use common::chain;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use protocol::Proof;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::answer::Suspicion;
use super::connect::connect;
use super::owner::{Standing, standing, taken};
use super::target::HttpTarget;
use super::{Answer, Expectation, echo, mistake};
use crate::runner::Instance;
use crate::sys::output::printable;

/// Bytes of a body that are read where the release stands in it.
const BODY_BYTES: usize = 64 * 1024;
/// How long the beginning of a body is waited for, where it only helps to understand a failure.
const BEGINNING: Duration = Duration::from_millis(500);
/// Characters of a body that are kept.
const EXCERPT: usize = 400;

/// A TCP connection is made, and its other end looked at.
pub(super) async fn ask_tcp(address: &str, expected: &Expectation) -> Answer {
    let connection = match connect(address).await {
        Ok(connection) => connection,
        Err(error) => return refused(address, &error),
    };
    let ends = match Ends::of(&connection) {
        Ok(ends) => ends,
        Err(error) => return Answer::failure(format!("connect to {address}: {error}")),
    };
    let proof = match ends.look(expected).await {
        Standing::Accepted | Standing::Listens => Ok(Proof::Process),
        Standing::Foreign(who) | Standing::Unseen(who) => Err(who),
        Standing::Unknown => Err(UNKNOWN.to_owned()),
    };
    drop(connection);
    Answer::healthy(format!("{address} takes connections"), proof)
}

const UNKNOWN_NOTE: &str = "; the process that answers could not be established";
const UNKNOWN: &str = "the process that answers could not be established";

/// A GET is sent, and its answer looked at.
pub(super) async fn ask_http(target: &HttpTarget, expected: &Expectation) -> Answer {
    let address = target.address();
    let connection = match connect(&address).await {
        Ok(connection) => connection,
        Err(error) => return refused(&address, &error),
    };
    let ends = match Ends::of(&connection) {
        Ok(ends) => ends,
        Err(error) => return Answer::failure(format!("connect to {address}: {error}")),
    };
    let before = ends.look(expected).await;
    let process_counts = target.pointer.is_none() || expected.process_too;
    match &before {
        Standing::Foreign(who) => return Answer::failure(who.clone()),
        Standing::Unseen(who) if process_counts => return Answer::failure(who.clone()),
        _ => {}
    }
    let mut driver = JoinSet::new();
    let exchange = match exchange(connection, target, &mut driver).await {
        Ok(exchange) => exchange,
        Err(error) => {
            let answer = Answer::failure(format!("{}: {}", target.uri, error.why));
            return answer.because(error.suspicion);
        }
    };
    let status = exchange.status;
    let mut answer = if status.is_success() {
        let after = ends.look(expected).await;
        // An echo may count where no process can be established; the result says so.
        let known = !matches!(after, Standing::Unknown | Standing::Unseen(_));
        let note = if process_counts || known { "" } else { UNKNOWN_NOTE };
        let proof = prove(target, expected, &exchange.body, &before, after);
        Answer::healthy(format!("{} answered {status}{note}", target.uri), proof)
    } else {
        Answer::failure(format!("{} answered {status}{}", target.uri, exchange.redirect))
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
        match after {
            // What an echo says is no secret: a process that is known to be foreign proves nothing.
            Standing::Foreign(who) => return Err(who),
            _ if !expected.process_too => return Ok(Proof::Echo),
            _ => {}
        }
    }
    match after {
        Standing::Accepted => Ok(Proof::Process),
        // A server may close at once. Then what listened has to have been the agent's all the time.
        Standing::Listens if matches!(before, Standing::Accepted | Standing::Listens) => {
            Ok(Proof::Process)
        }
        Standing::Foreign(who) | Standing::Unseen(who) => Err(who),
        Standing::Listens | Standing::Unknown => Err(UNKNOWN.to_owned()),
    }
}

fn refused(address: &str, error: &io::Error) -> Answer {
    let refused = error.kind() == io::ErrorKind::ConnectionRefused;
    Answer::silence(format!("connect to {address}: {error}"))
        .because(refused.then_some(Suspicion::Refused))
}

/// Why there was no answer.
pub(super) struct ExchangeError {
    pub(super) why: String,
    suspicion: Option<Suspicion>,
}

impl ExchangeError {
    const fn new(why: String) -> Self {
        Self { why, suspicion: None }
    }
}

/// An answer, and the connection that it came on.
pub(super) struct Exchange {
    pub(super) status: StatusCode,
    /// Where it leads, in words, if it is a redirect.
    redirect: String,
    body: Bytes,
    sender: http1::SendRequest<Empty<Bytes>>,
}

/// Sends the question, by TLS where that is asked for, and reads what counts of the answer.
pub(super) async fn exchange(
    connection: TcpStream,
    target: &HttpTarget,
    driver: &mut JoinSet<()>,
) -> Result<Exchange, ExchangeError> {
    let Some((name, config)) = &target.tls else {
        return exchange_over(connection, target, driver).await;
    };
    let connector = TlsConnector::from(config.clone());
    match connector.connect(name.clone(), connection).await {
        Ok(connection) => exchange_over(connection, target, driver).await,
        Err(error) => Err(ExchangeError {
            why: format!("the TLS handshake failed: {}", chain(&error)),
            suspicion: mistake::of_handshake(&error).map(Suspicion::Known),
        }),
    }
}

async fn exchange_over(
    connection: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    target: &HttpTarget,
    driver: &mut JoinSet<()>,
) -> Result<Exchange, ExchangeError> {
    let path = target.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request =
        Request::get(path).body(Empty::new()).map_err(|error| ExchangeError::new(chain(&error)))?;
    request.headers_mut().clone_from(&target.headers);
    let (mut sender, connection) = http1::handshake(TokioIo::new(connection))
        .await
        .map_err(|error| ExchangeError::new(chain(&error)))?;
    driver.spawn(async move {
        // Its error is the request's too.
        let _ = connection.await;
    });
    let response = sender.send_request(request).await.map_err(|error| {
        let not_understood =
            target.tls.is_none() && (error.is_parse() || error.is_incomplete_message());
        let suspicion = not_understood.then_some(Suspicion::NotUnderstood);
        ExchangeError { why: chain(&error), suspicion }
    })?;
    let (status, redirect) = (response.status(), redirect(&response));
    let body = match (&target.pointer, status.is_success()) {
        (Some(_), true) => Limited::new(response.into_body(), BODY_BYTES)
            .collect()
            .await
            .map_err(|error| {
                let why = format!("answered {status}, and then: {}", chain(error.as_ref()));
                ExchangeError::new(why)
            })?
            .to_bytes(),
        // The status is the answer. The body may be as long as it likes, and need not end.
        (None, true) => Bytes::new(),
        (_, false) => beginning(response.into_body()).await,
    };
    Ok(Exchange { status, redirect, body, sender })
}

fn redirect(response: &Response<Incoming>) -> String {
    if !response.status().is_redirection() {
        return String::new();
    }
    let location = response.headers().get(header::LOCATION);
    let location = location.map_or("nowhere".to_owned(), |to| printable(to.as_bytes()));
    let location: String = location.chars().take(EXCERPT).collect();
    format!(", a redirect to {location}, which a probe does not follow")
}

/// As much of a body as an operator is shown; one that does not come is not waited for.
async fn beginning(mut body: Incoming) -> Bytes {
    let mut bytes = BytesMut::new();
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else { return };
            let left = (4 * EXCERPT).saturating_sub(bytes.len());
            bytes.extend_from_slice(data.get(..left).unwrap_or(&data));
            if bytes.len() >= 4 * EXCERPT {
                return;
            }
        }
    };
    // What came until then is shown.
    let _ = tokio::time::timeout(BEGINNING, reading).await;
    bytes.freeze()
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

    /// Whether an agent has taken each of these connections, or another process has; `None` if none has
    /// yet.
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
