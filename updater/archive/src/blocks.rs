//! The inflated stream in tar's terms: headers, contents, padding, and the zeros at the end.

use crate::error::ReadEnd;
use crate::pipe::Inflated;
use crate::rule::Rule;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 512;

/// Reads blocks, and counts what it read against the limit.
pub(crate) struct Blocks {
    source: Inflated,
    current: Vec<u8>,
    position: usize,
    ended: bool,
    /// Bytes received from `source` and bytes that hardlinks were copied to.
    used: u64,
    limit: u64,
}

impl Blocks {
    /// Reads from `source`, up to `limit` bytes.
    pub(crate) fn new(source: Inflated, limit: u64) -> Self {
        Self { source, current: Vec::new(), position: 0, ended: false, used: 0, limit }
    }

    /// Inflated bytes so far, copies of hardlinks among them.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// Counts bytes that are written without having been in the stream.
    pub(crate) fn charge(&mut self, bytes: u64) -> Result<(), ReadEnd> {
        self.used = self.used.saturating_add(bytes);
        if self.used > self.limit { Err(Rule::UnpackedBytes.into()) } else { Ok(()) }
    }

    /// Refuses a content of that size before any of it is read, if it cannot fit.
    pub(crate) fn expect(&self, bytes: u64) -> Result<(), ReadEnd> {
        let ahead = (self.current.len() - self.position) as u64;
        let needed = self.used.saturating_add(bytes.saturating_sub(ahead));
        if needed > self.limit { Err(Rule::UnpackedBytes.into()) } else { Ok(()) }
    }

    /// The next block; `None` at the end of the stream.
    pub(crate) fn block(&mut self) -> Result<Option<[u8; BLOCK]>, ReadEnd> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.some(BLOCK - filled)? {
                [] if filled == 0 => return Ok(None),
                [] => return Err(Rule::Truncated.into()),
                bytes => {
                    block[filled..filled + bytes.len()].copy_from_slice(bytes);
                    filled += bytes.len();
                }
            }
        }
        Ok(Some(block))
    }

    /// A content of `size` bytes, piece by piece, and the padding after it.
    pub(crate) fn content(
        &mut self,
        size: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), ReadEnd>,
    ) -> Result<(), ReadEnd> {
        self.each(size, &mut take)?;
        let padded = size.checked_next_multiple_of(BLOCK as u64).ok_or(Rule::UnpackedBytes)?;
        self.each(padded - size, |_| Ok(()))
    }

    /// All that is left, which must be zeros.
    pub(crate) fn only_zeros(&mut self) -> Result<(), ReadEnd> {
        loop {
            match self.some(usize::MAX)? {
                [] => return Ok(()),
                bytes if bytes.iter().any(|byte| *byte != 0) => {
                    return Err(Rule::TrailingData.into());
                }
                _ => {}
            }
        }
    }

    fn each(
        &mut self,
        mut left: u64,
        mut take: impl FnMut(&[u8]) -> Result<(), ReadEnd>,
    ) -> Result<(), ReadEnd> {
        while left > 0 {
            let bytes = self.some(usize::try_from(left).unwrap_or(usize::MAX))?;
            if bytes.is_empty() {
                return Err(Rule::Truncated.into());
            }
            left -= bytes.len() as u64;
            take(bytes)?;
        }
        Ok(())
    }

    /// Up to `most` bytes; none at the end of the stream.
    fn some(&mut self, most: usize) -> Result<&[u8], ReadEnd> {
        while self.position == self.current.len() && !self.ended {
            let used = std::mem::take(&mut self.current);
            self.position = 0;
            match self.source.next(used)? {
                Some(buffer) => {
                    self.charge(buffer.len() as u64)?;
                    self.current = buffer;
                }
                None => self.ended = true,
            }
        }
        let start = self.position;
        let end = self.current.len().min(start.saturating_add(most));
        self.position = end;
        Ok(&self.current[start..end])
    }
}
