//! Asking by TCP, HTTP and HTTPS.
//!
//! Straight to the address that is configured: no proxy, no redirect, nothing remembered from one
//! question to the next. The connection is open until it is known which process is at its other end.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
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
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::answer::{Shown, Suspicion};
use super::connect::connect;
use super::owner::{Standing, standing, taken};
use super::place::{Place, connect_unix};
use super::target::HttpTarget;
use super::tls_words::tls_words;
use super::{Answer, Expectation, ProbeMistake, echo, mistake};
use crate::runner::Instance;
use crate::sys::output::printable;
use crate::sys::proc;
use crate::sys::user::User;

/// Bytes of a body that are read where the release stands in it.
const BODY_BYTES: usize = 64 * 1024;
/// How long the beginning of a body is waited for, where it only helps to understand a failure.
const BEGINNING: Duration = Duration::from_millis(500);
/// How long an answer in clear is waited for, where TLS came to nothing.
const IN_CLEAR: Duration = Duration::from_secs(1);
/// Bytes of a body that are kept.
const EXCERPT: usize = 1024;
/// Characters of where a redirect leads.
const LOCATION: usize = 400;

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
        Standing::NotAsked => Ok(Shown::WithoutProcess),
        Standing::Accepted | Standing::Listens => Ok(Shown::By(Proof::Process)),
        Standing::Foreign(who) | Standing::Unseen(who) => Err(who),
        Standing::Unknown => Err(UNKNOWN.to_owned()),
    };
    drop(connection);
    Answer::healthy(format!("{address} takes connections"), proof)
}

const UNKNOWN_NOTE: &str = "; the process that answers could not be established";
const UNKNOWN: &str = "the process that answers could not be established";

/// A question is sent, and its answer looked at.
pub(super) async fn ask_http(target: &HttpTarget, expected: &Expectation) -> Answer {
    if let Place::Unix(socket) = &target.place {
        return ask_socket(target, socket, expected).await;
    }
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
        Err(error) => return broken_off(target, &error),
    };
    let mut shown = None;
    if target.expects(exchange.status) {
        let after = ends.look(expected).await;
        // An echo may count where no process can be established; the result says so.
        let known = !matches!(after, Standing::Unknown | Standing::Unseen(_));
        let note = if process_counts || known { "" } else { UNKNOWN_NOTE };
        shown = Some((prove(target, expected, &exchange.body, &before, after), note));
    }
    judge(target, exchange, shown)
}

/// Asks at a Unix socket, where the kernel says itself which process made it.
async fn ask_socket(target: &HttpTarget, socket: &Path, expected: &Expectation) -> Answer {
    let connection = match connect_unix(&expected.path, socket).await {
        Ok(connection) => connection,
        Err(error) => return Answer::silence(format!("connect to {}: {error}", target.place)),
    };
    let standing = standing_behind(&connection, target, expected);
    let process_counts = target.pointer.is_none() || expected.process_too;
    match &standing {
        // A release may have put a link in its place: nothing is said to another program.
        Standing::Foreign(who) => return Answer::failure(who.clone()),
        Standing::Unseen(who) if process_counts => return Answer::failure(who.clone()),
        _ => {}
    }
    let mut driver = JoinSet::new();
    let exchange = match exchange_over(connection, target, &mut driver).await {
        Ok(exchange) => exchange,
        Err(error) => return broken_off(target, &error),
    };
    let passes = target.expects(exchange.status);
    let shown =
        passes.then(|| prove(target, expected, &exchange.body, &standing, standing.clone()));
    judge(target, exchange, shown.map(|shown| (shown, "")))
}

/// Which process made the socket at the other end.
fn standing_behind(
    connection: &UnixStream,
    target: &HttpTarget,
    expected: &Expectation,
) -> Standing {
    let Ok(peer) = connection.peer_cred() else { return Standing::Unseen(UNKNOWN.to_owned()) };
    let maker = peer.pid().and_then(|pid| u32::try_from(pid).ok());
    let Some(instance) = &expected.instance else {
        return without_process(target, peer.uid(), maker);
    };
    let Some(maker) = maker else { return Standing::Unseen(UNKNOWN.to_owned()) };
    if instance.members().contains(&maker) {
        return Standing::Accepted;
    }
    let name = proc::name(maker);
    Standing::Foreign(format!(
        "the socket was made by pid {maker} ({name}), which is not of the new release"
    ))
}

/// Any program may answer for a release without a process. At a path where the app's user may put a
/// socket of another program, it has to be that user's own.
fn without_process(target: &HttpTarget, user: u32, maker: Option<u32>) -> Standing {
    let named = matches!(&target.place, Place::Unix(socket) if socket.is_absolute());
    let own = match target.user.as_deref().map_or_else(User::current, User::by_name) {
        Ok(own) => own.uid,
        Err(error) => return Standing::Foreign(chain(&error)),
    };
    if named || user == own {
        return Standing::NotAsked;
    }
    let who = maker.map(|pid| format!(" (pid {pid}, {})", proc::name(pid))).unwrap_or_default();
    Standing::Foreign(format!(
        "the socket was made by the user {user}{who}, and the app's user is {own}; if that is meant, the url \
         has to name the socket by its absolute path"
    ))
}

fn broken_off(target: &HttpTarget, error: &ExchangeError) -> Answer {
    let answer = Answer::failure(format!("{}: {}", target.url, error.why));
    answer.because(error.suspicion)
}

/// `shown` is what an answer of an expected status proves, and a note to it.
fn judge(
    target: &HttpTarget,
    exchange: Exchange,
    shown: Option<(Result<Shown, String>, &str)>,
) -> Answer {
    let (status, url) = (exchange.status, &target.url);
    let mut answer = if let Some((shown, note)) = shown {
        Answer::healthy(format!("{url} answered {status}{note}"), shown)
    } else {
        let refused = REFUSALS.contains(&status) || status.is_redirection();
        let suspicion = Suspicion::Known(ProbeMistake::QuestionRefused);
        Answer::failure(format!("{url} answered {status}{}", exchange.redirect))
            .because(refused.then_some(suspicion))
    };
    answer.body = Some(excerpt(&exchange.body)).filter(|text| !text.is_empty());
    // Until here the connection was held open.
    drop(exchange.sender);
    answer
}

/// What a program answers that is well, and does not take the question.
const REFUSALS: [StatusCode; 6] = [
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::MISDIRECTED_REQUEST,
    StatusCode::UPGRADE_REQUIRED,
];

fn prove(
    target: &HttpTarget,
    expected: &Expectation,
    body: &[u8],
    before: &Standing,
    after: Standing,
) -> Result<Shown, String> {
    if let Some(pointer) = &target.pointer {
        echo::check(body, pointer, expected)?;
        match after {
            // What an echo says is no secret: a process that is known to be foreign proves nothing.
            Standing::Foreign(who) => return Err(who),
            _ if !expected.process_too => return Ok(Shown::By(Proof::Echo)),
            Standing::NotAsked => return Ok(Shown::By(Proof::Echo)),
            _ => {}
        }
    }
    match after {
        Standing::NotAsked => Ok(Shown::WithoutProcess),
        Standing::Accepted => Ok(Shown::By(Proof::Process)),
        // A server may close at once. Then what listened has to have been the agent's all the time.
        Standing::Listens if matches!(before, Standing::Accepted | Standing::Listens) => {
            Ok(Shown::By(Proof::Process))
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
            why: tls_words(&error, target),
            suspicion: mistake::of_handshake(&error),
        }),
    }
}

/// Whether the question of a probe by TLS is answered in clear. Servers that speak TLS answer a request in clear
/// with 400, if at all: that says nothing.
pub(super) async fn answers_in_clear(target: &HttpTarget) -> bool {
    let asked = async {
        let connection = connect(&target.address()).await.ok()?;
        let mut in_clear = target.clone();
        in_clear.tls = None;
        let mut driver = JoinSet::new();
        let exchange = exchange(connection, &in_clear, &mut driver).await.ok()?;
        Some(exchange.status != StatusCode::BAD_REQUEST)
    };
    tokio::time::timeout(IN_CLEAR, asked).await.ok().flatten().unwrap_or_default()
}

async fn exchange_over(
    connection: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    target: &HttpTarget,
    driver: &mut JoinSet<()>,
) -> Result<Exchange, ExchangeError> {
    let path = target.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder()
        .method(target.method.clone())
        .uri(path)
        .body(Empty::new())
        .map_err(|error| ExchangeError::new(chain(&error)))?;
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
    let whole = target.pointer.is_some() || !target.any_body;
    let body = match (whole, target.expects(status)) {
        (true, true) => Limited::new(response.into_body(), BODY_BYTES)
            .collect()
            .await
            .map_err(|error| {
                let why = format!("answered {status}, and then: {}", chain(error.as_ref()));
                ExchangeError::new(why)
            })?
            .to_bytes(),
        // The status is the answer. The body may be as long as it likes, and need not end.
        (false, true) => Bytes::new(),
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
    let location: String = location.chars().take(LOCATION).collect();
    format!(", a redirect to {location}, which a probe does not follow")
}

/// As much of a body as an operator is shown; one that does not come is not waited for.
async fn beginning(mut body: Incoming) -> Bytes {
    let mut bytes = BytesMut::new();
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else { return };
            let left = EXCERPT.saturating_sub(bytes.len());
            bytes.extend_from_slice(data.get(..left).unwrap_or(&data));
            if bytes.len() >= EXCERPT {
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
        let Some(instance) = expected.instance.clone() else { return Standing::NotAsked };
        let look = move || standing(&instance, self.local, self.peer);
        tokio::task::spawn_blocking(look).await.unwrap_or(Standing::Unknown)
    }
}

/// What an operator is shown of a body, in lines.
fn excerpt(body: &[u8]) -> String {
    let body = body.get(..EXCERPT).unwrap_or(body).trim_ascii();
    let lines = body.split(|byte| *byte == b'\n').map(printable);
    lines.collect::<Vec<_>>().join("\n")
}
