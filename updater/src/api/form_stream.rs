//! A form's bytes on their way to the parser of forms, which keeps all that comes until it has found
//! the end of a part's head, and takes all that is there.
//!
//! So that its memory stays bounded, it gets one piece at a time, and of a head no more than a head
//! may have.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

/// Bytes of the head of a part, and of what stands before the first.
pub(super) const HEAD_BYTES: usize = 8 << 10;

/// Bytes that come at a time while a head is looked for.
const PIECE_BYTES: usize = 4 << 10;

/// What bounds the bytes of a head; the stream has the other end.
#[derive(Debug, Clone)]
pub(super) struct HeadGate(Arc<AtomicUsize>);

/// Of this many bytes nothing is counted: they are a part's content, which is passed on.
const CONTENT: usize = usize::MAX;

impl HeadGate {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(CONTENT)))
    }

    /// From here on, a head is looked for. The piece in which it ends may have more in it.
    pub(super) fn head_begins(&self) {
        self.0.store(HEAD_BYTES + PIECE_BYTES, Ordering::Relaxed);
    }

    /// It was found.
    pub(super) fn head_ended(&self) {
        self.0.store(CONTENT, Ordering::Relaxed);
    }

    /// How much of what has come may be passed on.
    fn take(&self, available: usize) -> io::Result<usize> {
        match self.0.load(Ordering::Relaxed) {
            CONTENT => Ok(available),
            0 => Err(io::Error::other(format!("the head of a part has over {HEAD_BYTES} bytes"))),
            left => {
                let taken = available.min(PIECE_BYTES).min(left);
                self.0.store(left - taken, Ordering::Relaxed);
                Ok(taken)
            }
        }
    }
}

/// A form's bytes, piece by piece.
pub(super) struct FormStream<S> {
    source: S,
    gate: HeadGate,
    waiting: Bytes,
    /// Whether a piece was given, and the parser has not come back for the next one yet.
    given: bool,
}

impl<S> FormStream<S> {
    pub(super) fn new(source: S, gate: HeadGate) -> Self {
        Self { source, gate, waiting: Bytes::new(), given: false }
    }
}

impl<S: Stream<Item = Result<Bytes, axum::Error>> + Unpin> Stream for FormStream<S> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The parser reads until there is nothing, before it looks at what it has.
        if std::mem::take(&mut self.given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        while self.waiting.is_empty() {
            match std::task::ready!(Pin::new(&mut self.source).poll_next(context)) {
                Some(Ok(bytes)) => self.waiting = bytes,
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                None => return Poll::Ready(None),
            }
        }
        let taken = match self.gate.take(self.waiting.len()) {
            Ok(taken) => taken,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        self.given = true;
        Poll::Ready(Some(Ok(self.waiting.split_to(taken))))
    }
}
