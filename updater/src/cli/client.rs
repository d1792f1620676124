//! A client of the local socket.

use std::path::Path;
use std::time::Duration;

use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use protocol::{Problem, header};
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
    /// It may run, and cannot be asked: this is somebody else's socket, mostly.
    #[error("reach the updater on its local socket (are you root?)")]
    Unreachable(#[source] std::io::Error),
    /// It went away while it was asked.
    #[error("hear the updater out, which went away while it was asked (see `updater status`)")]
    Http(#[from] hyper::Error),
    /// It answered something else.
    #[error("understand the updater's answer")]
    Malformed(#[from] serde_json::Error),
    /// It said no.
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
) -> Result<T, ClientError> {
    for _ in 1..TRIES {
        match ask::<(), T>(state_dir, method.clone(), path, None).await {
            Err(ClientError::Http(_)) => tokio::time::sleep(PAUSE).await,
            answered => return answered,
        }
    }
    ask::<(), T>(state_dir, method, path, None).await
}

/// Asks the daemon whose state is in `state_dir`.
pub(super) async fn ask<B: Serialize + Sync, T: DeserializeOwned>(
    state_dir: &Path,
    method: Method,
    path: &str,
    body: Option<&B>,
) -> Result<T, ClientError> {
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
    let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::HOST, "localhost")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::new(bytes::Bytes::from(body)));
    let request = request.map_err(|error| ClientError::NotRunning(std::io::Error::other(error)))?;
    let response = sender.send_request(request).await?;
    let problem = response
        .headers()
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind == header::PROBLEM_JSON);
    let bytes = response.into_body().collect().await?.to_bytes();
    if problem {
        return Err(ClientError::Refused(Box::new(serde_json::from_slice(&bytes)?)));
    }
    Ok(serde_json::from_slice(&bytes)?)
}
