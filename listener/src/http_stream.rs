//! The bytes of a connection on their way to and from hyper: heads of requests are looked at, and
//! what hyper itself answers to one that it cannot read gets a body.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::strict_head::StrictHeads;

/// The statuses that hyper answers by itself, all of them about the head of a request.
const BY_HYPER: [StatusCode; 3] = [
    StatusCode::BAD_REQUEST,
    StatusCode::URI_TOO_LONG,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
];

/// What stands in such an answer, and in none of the program's.
const NO_BODY: &[u8] = b"\r\ncontent-length: 0\r\n";

/// What is answered where hyper refuses a request by itself, before the router could: the media type
/// and the body that go with a status.
pub type Refusal = fn(StatusCode) -> (&'static str, Vec<u8>);

/// A connection under hyper.
pub(crate) struct HttpStream<S> {
    inner: S,
    heads: StrictHeads,
    refusal: Refusal,
    /// An answer in the place of hyper's, which it has been told is sent.
    pending: Vec<u8>,
}

impl<S> HttpStream<S> {
    pub(crate) const fn new(inner: S, refusal: Refusal) -> Self {
        Self { inner, heads: StrictHeads::new(), refusal, pending: Vec::new() }
    }
}

impl<S: AsyncWrite + Unpin> HttpStream<S> {
    fn send_pending(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let sent = ready!(Pin::new(&mut self.inner).poll_write(context, &self.pending))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }
}

/// What is sent instead of an answer of hyper's own; nothing for one of the program's.
fn instead_of(answer: &[u8], refusal: Refusal) -> Option<Vec<u8>> {
    let status = BY_HYPER.into_iter().find(|status| {
        let line = format!("HTTP/1.1 {} ", status.as_u16());
        answer.starts_with(line.as_bytes())
    })?;
    let head_only = answer.windows(4).position(|end| end == b"\r\n\r\n")? + 4 == answer.len();
    let bare = answer.windows(NO_BODY.len()).any(|line| line == NO_BODY);
    if !head_only || !bare {
        return None;
    }
    // A target that is too long is a head that is too long, however it has come.
    let status = match status {
        StatusCode::URI_TOO_LONG => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        other => other,
    };
    let (kind, body) = refusal(status);
    let reason = status.canonical_reason().unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        status.as_u16(),
        body.len()
    );
    Some([head.into_bytes(), body].concat())
}

impl<S: AsyncRead + Unpin> AsyncRead for HttpStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        self.heads.look_at(&mut buffer.filled_mut()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HttpStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.send_pending(context))?;
        if let Some(answer) = instead_of(bytes, self.refusal) {
            self.pending = answer;
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send_pending(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send_pending(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: StatusCode) -> (&'static str, Vec<u8>) {
        ("text/plain", format!("no: {}", status.as_u16()).into_bytes())
    }

    #[test]
    fn what_hyper_says_by_itself_gets_a_body_and_nothing_else_does() {
        let bare = "HTTP/1.1 414 URI Too Long\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let answer = instead_of(bare.as_bytes(), refusal).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert!(answer.contains("\r\ncontent-length: 7\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nno: 431"), "{answer}");
        for ours in [
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert!(instead_of(ours.as_bytes(), refusal).is_none(), "{ours}");
        }
    }
}
