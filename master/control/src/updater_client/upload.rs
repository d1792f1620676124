//! An archive on its way to a host: read in pieces, and only once the host asks for it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tokio_util::io::ReaderStream;

use crate::updater_client::connection::Body;
use crate::updater_client::{Heard, Listener};

/// What is held of the archive, for each host.
const PIECE: usize = 128 * 1024;

/// The gate before the body: it opens with the updater's `100 Continue`.
#[derive(Clone)]
pub(super) struct BodyGate(watch::Sender<bool>);

impl BodyGate {
    pub(super) fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(super) fn open(&self) {
        self.0.send_replace(true);
    }
}

/// A body of `size` bytes of the file. `sent` counts what has been handed to the connection.
pub(super) fn body(
    path: &Path,
    size: u64,
    gate: &BodyGate,
    sent: Arc<AtomicU64>,
    listener: Listener,
) -> Body {
    let path = path.to_owned();
    let mut opened = gate.0.subscribe();
    let pieces = stream::once(async move {
        if opened.wait_for(|open| *open).await.is_err() {
            // The head of an answer came without `100 Continue`: no body is wanted.
            std::future::pending::<()>().await;
        }
        let mut file = File::open(path).await?;
        file.set_max_buf_size(PIECE);
        Ok::<_, io::Error>(ReaderStream::with_capacity(file.take(size), PIECE))
    })
    .try_flatten();
    let frames = pieces.map(move |piece| {
        let piece = piece?;
        let bytes = sent.fetch_add(piece.len() as u64, Ordering::Relaxed) + piece.len() as u64;
        listener(Heard::Sent { bytes, total: size });
        Ok(Frame::data(piece))
    });
    StreamBody::new(frames).boxed_unsync()
}
