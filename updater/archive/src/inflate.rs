//! From compressed bytes to tar's: gzip or zstd, told apart by the first bytes, to the very end.
//!
//! Never holds more than a window. An inflated byte is not to be trusted before the stream's end,
//! where the checksum is.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::Receiver;

use bytes::{Buf as _, Bytes, BytesMut};
use flate2::bufread::GzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use crate::error::{ReadEnd, UnpackError};
use crate::pipe::{Archived, InflatedSender, Piece};
use crate::rule::Rule;

/// The largest zstd window, 8 MiB, as a power of two.
const WINDOW_LOG: u32 = 23;
/// How zstd says that a frame wants more than that (`ZSTD_error_frameParameter_windowTooLarge`).
const WINDOW_MESSAGE: &str = "Frame requires too much memory for decoding";

/// Inflates all of `source` into `sink`.
pub(crate) fn inflate(source: Receiver<Archived>, sink: &InflatedSender) -> Result<(), ReadEnd> {
    let mut chunks = Chunks { source, current: Bytes::new(), end: End::Open };
    let inflated = inflate_by_kind(&mut chunks, sink);
    if chunks.end == End::Cut { Err(ReadEnd::Neighbour) } else { inflated }
}

fn inflate_by_kind(chunks: &mut Chunks, sink: &InflatedSender) -> Result<(), ReadEnd> {
    let first = chunks.peek();
    match first.as_ref() {
        [0x1f, 0x8b, ..] => {
            pump(&mut GzDecoder::new(&mut *chunks), sink)?;
            if let [0x1f, 0x8b, ..] = chunks.peek().as_ref() {
                return Err(Rule::SecondMember.into());
            }
            chunks.only_zeros()?;
        }
        // A frame, or a skippable frame, with which parallel packers begin.
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
            let mut decoder = zstd_decoder(chunks)
                .map_err(|source| UnpackError::io("prepare the zstd decoder", source))?;
            pump(&mut decoder, sink)?;
        }
        [] => return Err(Rule::EmptyArchive.into()),
        _ => return Err(Rule::UnknownFormat.into()),
    }
    sink.send(Piece::End)
}

fn zstd_decoder(chunks: &mut Chunks) -> io::Result<ZstdDecoder<'static, &mut Chunks>> {
    let mut decoder = ZstdDecoder::with_buffer(chunks)?;
    decoder.window_log_max(WINDOW_LOG)?;
    Ok(decoder)
}

fn pump(decoder: &mut impl Read, sink: &InflatedSender) -> Result<(), ReadEnd> {
    loop {
        let mut buffer = sink.buffer();
        let mut filled = 0;
        while filled < buffer.len() {
            match decoder.read(&mut buffer[filled..]) {
                Ok(0) => {
                    buffer.truncate(filled);
                    return if filled == 0 { Ok(()) } else { sink.send(Piece::Data(buffer)) };
                }
                Ok(number) => filled += number,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(damage(&error)),
            }
        }
        sink.send(Piece::Data(buffer))?;
    }
}

fn damage(error: &io::Error) -> ReadEnd {
    let text = error.to_string();
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Rule::Truncated.into(),
        _ if text.contains(WINDOW_MESSAGE) => Rule::Window.into(),
        _ => ReadEnd::rule(Rule::Corrupt, &text),
    }
}

#[derive(PartialEq, Eq)]
enum End {
    Open,
    /// The sender said that this was all.
    Seen,
    /// The sender is gone, and this was not all.
    Cut,
}

/// The archive's chunks as one reader.
struct Chunks {
    source: Receiver<Archived>,
    current: Bytes,
    end: End,
}

impl Chunks {
    fn receive(&mut self) -> Option<Bytes> {
        if self.end != End::Open {
            return None;
        }
        match self.source.recv() {
            Ok(Piece::Data(chunk)) => return Some(chunk),
            Ok(Piece::End) => self.end = End::Seen,
            Err(_) => self.end = End::Cut,
        }
        None
    }

    /// Takes all that is left, which must be zeros: some packers fill up a last block.
    fn only_zeros(&mut self) -> Result<(), ReadEnd> {
        loop {
            let rest = std::mem::take(&mut self.current);
            if rest.iter().any(|byte| *byte != 0) {
                return Err(Rule::TrailingData.into());
            }
            let Some(chunk) = self.receive() else { return Ok(()) };
            self.current = chunk;
        }
    }

    /// The next four bytes, or as many as there are, however small the chunks.
    fn peek(&mut self) -> Bytes {
        while self.current.len() < 4 {
            let Some(chunk) = self.receive() else { break };
            let mut joined = BytesMut::from(self.current.as_ref());
            joined.extend_from_slice(&chunk);
            self.current = joined.freeze();
        }
        self.current.slice(..self.current.len().min(4))
    }
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() {
            let Some(chunk) = self.receive() else { break };
            self.current = chunk;
        }
        Ok(&self.current)
    }

    fn consume(&mut self, amount: usize) {
        self.current.advance(amount);
    }
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let number = available.len().min(into.len());
        into[..number].copy_from_slice(&available[..number]);
        self.consume(number);
        Ok(number)
    }
}
