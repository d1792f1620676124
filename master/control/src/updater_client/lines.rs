//! Bodies of answers, read with bounds: whole, or line by line.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::updater_client::ClientError;

/// A body that is read whole, and a line of one that is not.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// All lines of one answer together. A host that has more to say of an order is asked how it stands
/// from then on.
const MOST_IN_ALL: u64 = 16 << 20;

/// Reads a short body.
pub(super) async fn read_whole(mut body: Incoming, address: &str) -> Result<Vec<u8>, ClientError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ClientError::of_connection(address, error))?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > MOST_BYTES {
            return Err(ClientError::Malformed(format!("it is longer than {MOST_BYTES} bytes")));
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

/// The lines of a body. To stop waiting for [`Lines::next`] loses nothing.
pub(super) struct Lines {
    body: Incoming,
    address: String,
    received: LineBuffer,
}

impl Lines {
    pub(super) fn new(body: Incoming, address: &str) -> Self {
        Self { body, address: address.to_owned(), received: LineBuffer::default() }
    }

    /// Of a body that goes on for as long as it is read.
    pub(super) fn unending(body: Incoming, address: &str) -> Self {
        let received = LineBuffer { is_unending: true, ..LineBuffer::default() };
        Self { body, address: address.to_owned(), received }
    }

    /// The next line that is not empty, without its end; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        loop {
            if let Some(line) = self.received.take()? {
                return Ok(Some(line));
            }
            if self.received.ended {
                return Ok(None);
            }
            match self.body.frame().await {
                None => self.received.end(),
                Some(Err(error)) => return Err(ClientError::of_connection(&self.address, error)),
                Some(Ok(frame)) => {
                    self.received.push(frame.data_ref().map_or(&[][..], |data| data));
                }
            }
        }
    }
}

/// What has come of a body that is read line by line. Pure.
#[derive(Debug, Default)]
pub struct LineBuffer {
    buffer: Vec<u8>,
    searched: usize,
    total: u64,
    ended: bool,
    /// Whether all lines together may be of any length.
    is_unending: bool,
}

impl LineBuffer {
    /// Takes what has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
    }

    /// Nothing more will come: what there is without an end is a line too.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// A line that is not empty, without its end, if there is a whole one. It is an error if a line
    /// or all of them are longer than anything that an updater sends.
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        loop {
            let end = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n');
            let line = match end {
                Some(end) => {
                    let mut line: Vec<u8> = self.buffer.drain(..=self.searched + end).collect();
                    line.pop();
                    self.searched = 0;
                    line
                }
                None if self.ended => {
                    self.searched = 0;
                    std::mem::take(&mut self.buffer)
                }
                None => {
                    self.searched = self.buffer.len();
                    Vec::new()
                }
            };
            if line.len().max(self.buffer.len()) > MOST_BYTES + BUFFERED {
                return Err(ClientError::Malformed(format!(
                    "a line is longer than {MOST_BYTES} bytes"
                )));
            }
            if self.total > MOST_IN_ALL && !self.is_unending {
                return Err(ClientError::Malformed("it does not end".to_owned()));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
            if end.is_none() {
                return Ok(None);
            }
        }
    }
}

/// What one frame may bring beyond the line in it.
const BUFFERED: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lesson_36_a_last_line_without_an_end_is_a_line_and_then_there_is_none() {
        let mut received = LineBuffer::default();
        received.push(b"one\n\ntw");
        assert_eq!(received.take().unwrap().as_deref(), Some(&b"one"[..]));
        assert_eq!(received.take().unwrap(), None);
        received.push(b"o");
        assert_eq!(received.take().unwrap(), None);
        received.end();
        assert_eq!(received.take().unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(received.take().unwrap(), None);
    }
}
