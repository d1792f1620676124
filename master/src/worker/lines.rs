//! Bodies of answers, read with bounds: whole, or line by line.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::worker::WorkerError;

/// A body that is read whole, and a line of one that is not.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// All lines of one answer together. A host that has more to say of an order is asked how it stands
/// from then on.
const MOST_IN_ALL: u64 = 16 << 20;

/// Reads a short body.
pub(super) async fn whole(mut body: Incoming, address: &str) -> Result<Vec<u8>, WorkerError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| WorkerError::of_connection(address, error))?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > MOST_BYTES {
            return Err(WorkerError::Malformed(format!("it is longer than {MOST_BYTES} bytes")));
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

/// The lines of a body. Whoever stops waiting for [`Lines::next`] loses nothing.
pub(super) struct Lines {
    body: Incoming,
    address: String,
    buffer: Vec<u8>,
    searched: usize,
    total: u64,
    ended: bool,
}

impl Lines {
    pub(super) fn new(body: Incoming, address: &str) -> Self {
        let address = address.to_owned();
        Self { body, address, buffer: Vec::new(), searched: 0, total: 0, ended: false }
    }

    /// The next line that is not empty, without its end; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, WorkerError> {
        loop {
            if let Some(line) = self.take()? {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            match self.body.frame().await {
                None => self.ended = true,
                Some(Err(error)) => return Err(WorkerError::of_connection(&self.address, error)),
                Some(Ok(frame)) => {
                    let data = frame.data_ref().map_or(&[][..], |data| data);
                    self.total += data.len() as u64;
                    self.buffer.extend_from_slice(data);
                }
            }
        }
    }

    fn take(&mut self) -> Result<Option<Vec<u8>>, WorkerError> {
        loop {
            let end = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n');
            let line = match end {
                Some(end) => {
                    let mut line: Vec<u8> = self.buffer.drain(..=self.searched + end).collect();
                    line.pop();
                    self.searched = 0;
                    line
                }
                None if self.ended => std::mem::take(&mut self.buffer),
                None => {
                    self.searched = self.buffer.len();
                    Vec::new()
                }
            };
            if line.len().max(self.buffer.len()) > MOST_BYTES + BUFFERED {
                return Err(WorkerError::Malformed(format!(
                    "a line is longer than {MOST_BYTES} bytes"
                )));
            }
            if self.total > MOST_IN_ALL {
                return Err(WorkerError::Malformed("it does not end".to_owned()));
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
