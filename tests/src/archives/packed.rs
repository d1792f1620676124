//! Compressed streams, and the frames that they are made of.

use std::io::Write as _;

use flate2::{Compression, Crc, write::DeflateEncoder};

/// One gzip member, with the shortest head that there is.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    gzip_with(&GzipHead::default(), bytes)
}

/// What a gzip member begins with (RFC 1952).
#[derive(Debug, Clone, Default)]
pub struct GzipHead {
    /// `FEXTRA`.
    pub extra: Option<Vec<u8>>,
    /// `FNAME`, without its NUL.
    pub name: Option<Vec<u8>>,
    /// `FCOMMENT`, without its NUL.
    pub comment: Option<Vec<u8>>,
    /// `FHCRC`: a checksum of the head, right if it is true.
    pub checksum: Option<bool>,
    /// Flags that are set besides.
    pub flags: u8,
}

/// One gzip member with this head.
pub fn gzip_with(head: &GzipHead, bytes: &[u8]) -> Vec<u8> {
    let flag = |set: bool, bit: u8| if set { 1 << bit } else { 0 };
    let flags = head.flags
        | flag(head.checksum.is_some(), 1)
        | flag(head.extra.is_some(), 2)
        | flag(head.name.is_some(), 3)
        | flag(head.comment.is_some(), 4);
    let mut member = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255];
    if let Some(extra) = &head.extra {
        member.extend_from_slice(&u16::try_from(extra.len()).unwrap_or(u16::MAX).to_le_bytes());
        member.extend_from_slice(extra);
    }
    for text in [&head.name, &head.comment].into_iter().flatten() {
        member.extend_from_slice(text);
        member.push(0);
    }
    if let Some(right) = head.checksum {
        let sum = checksum(&member) & 0xffff;
        let sum = if right { sum } else { sum ^ 1 };
        member.extend_from_slice(&sum.to_le_bytes()[..2]);
    }
    member.extend_from_slice(&deflated(bytes));
    member.extend_from_slice(&checksum(bytes).to_le_bytes());
    let length = bytes.len() as u64 & u64::from(u32::MAX);
    member.extend_from_slice(&length.to_le_bytes()[..4]);
    member
}

/// One zstd frame, with a checksum, made as the zstd program makes them.
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd_of(bytes, None)
}

/// One zstd frame that asks for a window of `2^window_log` bytes.
pub fn zstd_frame(bytes: &[u8], window_log: u32) -> Vec<u8> {
    zstd_of(bytes, Some(window_log))
}

/// A zstd frame that readers skip.
pub fn zstd_skippable(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&[0x50, 0x2a, 0x4d, 0x18][..], &length.to_le_bytes(), bytes].concat()
}

fn zstd_of(bytes: &[u8], window_log: Option<u32>) -> Vec<u8> {
    let write = || -> std::io::Result<Vec<u8>> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1)?;
        encoder.include_checksum(true)?;
        if let Some(window_log) = window_log {
            encoder.window_log(window_log)?;
        }
        encoder.write_all(bytes)?;
        encoder.finish()
    };
    write().unwrap_or_default()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    // Into memory, which does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
