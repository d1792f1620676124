//! One connection: HTTP/1.1 with deadlines, and a close that lets the last answer arrive.

use std::future::poll_fn;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

use crate::http_stream::{HttpStream, Refusal};
use crate::limits::Limits;

/// Bytes that a sender whose request was refused may still send before the connection is cut.
const LINGER_BYTES: u64 = 512 << 20;

/// Serves one connection to its end. Every request on it carries `caller` in its extensions.
pub async fn serve_connection<S, C>(
    stream: S,
    router: Router,
    caller: C,
    limits: &Limits,
    refusal: Refusal,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    C: Clone + Send + Sync + Unpin + 'static,
{
    let service = hyper::service::service_fn(move |mut request: http::Request<_>| {
        request.extensions_mut().insert(caller.clone());
        router.clone().oneshot(request)
    });
    // hyper has no deadline for a reader who stops to read.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.body_timeout));
    let stream = HttpStream::new(Box::pin(stream), refusal);
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let answered = ended.as_ref().map_or_else(hyper::Error::is_parse, |()| true);
    if let Err(error) = ended {
        tracing::debug!("a connection broke: {error}");
    }
    if answered {
        linger(connection.into_parts().io.into_inner(), limits.body_timeout).await;
    }
}

/// Closes our side first and takes what is still under way. A close with unread bytes would be a
/// reset, and the reset would overtake the answer that says why.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, deadline: Duration) {
    let drain = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut rest = (&mut stream).take(LINGER_BYTES);
        let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
    };
    let _ = tokio::time::timeout(deadline, drain).await;
}
