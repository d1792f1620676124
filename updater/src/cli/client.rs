//! A client of the local socket.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use protocol::{OperatorName, Problem, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::server::LOCAL_SOCKET;

/// Why the daemon gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// No daemon listens: it is dead, or was never started.
    #[error("reach the updater on its local socket")]
    NotRunning(#[source] std::io::Error),
    /// It may run, and cannot be asked: mostly this is another user's socket.
    #[error("reach the updater on its local socket (are you root?)")]
    Unreachable(#[source] std::io::Error),
    /// It went away while it was asked.
    #[error("hear the updater out, which went away while it was asked (see `updater status`)")]
    Http(#[from] hyper::Error),
    /// It answered something else.
    #[error("understand the updater's answer")]
    Malformed(#[from] serde_json::Error),
    /// What it says cannot be shown.
    #[error("show what the updater says")]
    Show(#[source] std::io::Error),
    #[error("carry out the order: {} ({})", .0.detail, .0.code)]
    Refused(Box<Problem>),
}

/// How often what may be asked twice is asked of a daemon that goes away, and how long after.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// Asks for what may be asked twice, of a daemon that may be just dying: its socket takes
/// connections a little longer than it answers them. Once it is dead, it says so.
pub(super) async fn ask_again<T: DeserializeOwned>(
    state_dir: &Path,
    method: Method,
    path: &str,
    by: Option<&OperatorName>,
) -> Result<T, ClientError> {
    for _ in 1..TRIES {
        match ask::<(), T>(state_dir, method.clone(), path, by, None).await {
            Err(ClientError::Http(_)) => tokio::time::sleep(PAUSE).await,
            answered => return answered,
        }
    }
    ask::<(), T>(state_dir, method, path, by, None).await
}

/// Asks the daemon whose state is in `state_dir`, for the operator who typed the command.
pub(super) async fn ask<B: Serialize + Sync, T: DeserializeOwned>(
    state_dir: &Path,
    method: Method,
    path: &str,
    by: Option<&OperatorName>,
    body: Option<&B>,
) -> Result<T, ClientError> {
    let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
    let mut request = request(method, path, body)?;
    let by = by.and_then(|by| HeaderValue::from_bytes(by.as_str().as_bytes()).ok());
    request.headers_mut().extend(by.map(|by| (HeaderName::from_static(header::OPERATOR), by)));
    let response = send(state_dir, request).await?;
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok(serde_json::from_slice(&bytes)?)
}

/// Gives an order, and `hear`s each line of its answer when it comes.
pub(super) async fn follow<T: DeserializeOwned>(
    state_dir: &Path,
    path: &str,
    mut hear: impl FnMut(T) -> std::io::Result<()>,
) -> Result<(), ClientError> {
    let mut request = request(Method::POST, path, Vec::new())?;
    request.headers_mut().insert(http::header::ACCEPT, HeaderValue::from_static(header::NDJSON));
    let mut body = send(state_dir, request).await?.into_body();
    let mut rest = Vec::new();
    while let Some(frame) = body.frame().await {
        rest.extend_from_slice(frame?.data_ref().map_or(&[][..], |data| data));
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            hear(serde_json::from_slice(&line)?).map_err(ClientError::Show)?;
        }
    }
    Ok(())
}

fn request(method: Method, path: &str, body: Vec<u8>) -> Result<Request<Full<Bytes>>, ClientError> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::HOST, "localhost")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)));
    request.map_err(|error| ClientError::NotRunning(std::io::Error::other(error)))
}

/// Sends it, and gives the answer unless the daemon says no.
async fn send(
    state_dir: &Path,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, ClientError> {
    let stream = UnixStream::connect(state_dir.join(LOCAL_SOCKET)).await.map_err(|error| {
        use std::io::ErrorKind::{ConnectionRefused, NotFound};
        match error.kind() {
            NotFound | ConnectionRefused => ClientError::NotRunning(error),
            _ => ClientError::Unreachable(error),
        }
    })?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let kind = response.headers().get(http::header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind == header::PROBLEM_JSON) {
        let bytes = response.into_body().collect().await?.to_bytes();
        return Err(ClientError::Refused(Box::new(serde_json::from_slice(&bytes)?)));
    }
    Ok(response)
}
