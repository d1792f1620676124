//! The bounded channels between the threads that take, inflate and write an archive.
//!
//! The end of the stream is a message of its own: a sender that is merely gone has failed, and
//! what came of it so far must not be taken for the whole.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;

use crate::error::ReadEnd;

/// Chunks of the archive that wait to be inflated. They are as large as the network makes them.
const ARCHIVE_CHUNKS: usize = 4;
/// Buffers of inflated bytes that wait to be written.
const BUFFERS: usize = 4;
/// Bytes of such a buffer.
const BUFFER_BYTES: usize = 256 << 10;

/// A part of a stream, or its end.
pub(crate) enum Piece<T> {
    Data(T),
    /// There are no more.
    End,
}

/// The archive's bytes, as they came.
pub(crate) type Archived = Piece<Bytes>;

/// Where inflated bytes go. Buffers come back when they have been written, so there are never
/// more than a few.
pub(crate) struct InflatedSender {
    full: SyncSender<Piece<Vec<u8>>>,
    empty: Receiver<Vec<u8>>,
}

/// Where inflated bytes come from.
pub(crate) struct Inflated {
    full: Receiver<Piece<Vec<u8>>>,
    empty: SyncSender<Vec<u8>>,
}

/// The ends of both channels, in the order of the stream.
pub(crate) type Pipes = (SyncSender<Archived>, Receiver<Archived>, InflatedSender, Inflated);

pub(crate) fn pipes() -> Pipes {
    let (chunks, chunk_source) = sync_channel(ARCHIVE_CHUNKS);
    let (full, full_source) = sync_channel(BUFFERS);
    let (empty, empty_source) = sync_channel(BUFFERS + 2);
    let sender = InflatedSender { full, empty: empty_source };
    (chunks, chunk_source, sender, Inflated { full: full_source, empty })
}

impl InflatedSender {
    /// A buffer of full length, with any content.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        let mut buffer = self.empty.try_recv().unwrap_or_default();
        buffer.resize(BUFFER_BYTES, 0);
        buffer
    }

    /// Sends the next bytes, or the end.
    pub(crate) fn send(&self, piece: Piece<Vec<u8>>) -> Result<(), ReadEnd> {
        self.full.send(piece).map_err(|_| ReadEnd::Neighbour)
    }
}

impl Inflated {
    /// Waits for the next bytes; `None` at the end of the stream. The buffer that was used up
    /// goes back.
    pub(crate) fn next(&self, used: Vec<u8>) -> Result<Option<Vec<u8>>, ReadEnd> {
        if used.capacity() > 0 {
            // The other end is gone when it has sent all; then the buffer is not needed.
            let _ = self.empty.try_send(used);
        }
        match self.full.recv() {
            Ok(Piece::Data(buffer)) => Ok(Some(buffer)),
            Ok(Piece::End) => Ok(None),
            Err(_) => Err(ReadEnd::Neighbour),
        }
    }
}
