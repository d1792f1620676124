//! One header block of a tar archive, read strictly: what readers disagree about is refused.

use tar::{EntryType, Header};

use crate::blocks::BLOCK;
use crate::error::ReadEnd;
use crate::rule::Rule;

/// The type of GNU tar's `--label`: a name for the volume, and nothing of the tree.
const VOLUME_LABEL: u8 = b'V';

/// Which flavour of tar a header is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Before POSIX: no prefix, no extensions.
    V7,
    Ustar,
    Gnu,
}

/// What a header says, before the extended headers' word.
pub(super) struct Parsed {
    pub(super) flavour: Flavour,
    pub(super) entry_type: EntryType,
    /// Whether it is a volume's label. One with content is none: readers would disagree about where the next
    /// member is.
    pub(super) is_volume_label: bool,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) size: u64,
    pub(super) executable: bool,
}

/// Reads a header block that is not all zeros.
pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Parsed, ReadEnd> {
    // A name is read by its flavour: in two parts, or in one.
    let plain = with_usual_version(block);
    let header = Header::from_byte_slice(plain.as_ref().unwrap_or(block));
    let name = header.path_bytes().into_owned();
    read(block, header, name.clone()).map_err(|stop| stop.at(&name))
}

/// Ant, Maven and others write the magic of POSIX with versions of their own, which no reader looks
/// at. Nothing if the block has another magic, or the usual version.
fn with_usual_version(block: &[u8; BLOCK]) -> Option<[u8; BLOCK]> {
    let odd = block[257..263] == *b"ustar\0" && block[263..265] != *b"00";
    odd.then(|| {
        let mut plain = *block;
        plain[263..265].copy_from_slice(b"00");
        plain
    })
}

fn read(block: &[u8; BLOCK], header: &Header, name: Vec<u8>) -> Result<Parsed, ReadEnd> {
    let old = header.as_old();
    if number(&old.cksum)? != checksum(block) {
        return Err(Rule::HeaderChecksum.into());
    }
    for field in [&old.uid[..], &old.gid, &old.mtime, &block[329..337], &block[337..345]] {
        check_dropped(field)?;
    }
    let flavour = flavour(header, &block[257..265])?;
    // Some readers look for a sparse file's map in any header of GNU's, whatever its type.
    if flavour == Flavour::Gnu && block[386..495].iter().any(|byte| *byte != 0) {
        return Err(Rule::Sparse.into());
    }
    let labels = header.entry_type() == EntryType::new(VOLUME_LABEL);
    // GNU tar itself leaves all but its name and its time empty, the magic too.
    let bare = labels && old.size.iter().chain(&old.mode).all(|byte| *byte == 0);
    let size = if bare { 0 } else { number(&old.size)? };
    Ok(Parsed {
        flavour,
        entry_type: header.entry_type(),
        is_volume_label: labels && size == 0 && (bare || flavour != Flavour::V7),
        name,
        link: header.link_name_bytes().unwrap_or_default().into_owned(),
        size,
        executable: !bare && number(&old.mode)? & 0o111 != 0,
    })
}

fn flavour(header: &Header, magic: &[u8]) -> Result<Flavour, ReadEnd> {
    if header.as_gnu().is_some() {
        Ok(Flavour::Gnu)
    } else if header.as_ustar().is_some() {
        Ok(Flavour::Ustar)
    } else if magic.iter().all(|byte| *byte == 0) {
        Ok(Flavour::V7)
    } else {
        Err(Rule::HeaderMagic.into())
    }
}

/// The sum of all bytes, with the checksum's own field as blanks.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let around = block[..148].iter().chain(&block[156..]);
    around.map(|byte| u64::from(*byte)).sum::<u64>() + 8 * u64::from(b' ')
}

/// A number that is not used: it may be absent, and of any size or sign that base 256 can say.
/// Readers that do use it give up at a malformed one.
fn check_dropped(field: &[u8]) -> Result<(), ReadEnd> {
    let absent = field.iter().all(|byte| matches!(byte, b' ' | 0));
    let binary = field.first().is_some_and(|byte| *byte >= 0x80);
    if absent || binary { Ok(()) } else { number(field).map(drop) }
}

/// Octal digits between blanks, or GNU's base 256. The crate's own reader also takes signs, and
/// drops the high bytes of what does not fit.
fn number(field: &[u8]) -> Result<u64, ReadEnd> {
    if let [0x80, rest @ ..] = field {
        let (high, low) = rest.split_at(rest.len().saturating_sub(8));
        if high.iter().any(|byte| *byte != 0) {
            return Err(Rule::HeaderNumber.into());
        }
        return Ok(low.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)));
    }
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(blank).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    let octal = |byte: &u8| matches!(byte, b'0'..=b'7');
    if digits.is_empty() || !digits.iter().all(octal) || !rest.iter().all(blank) {
        return Err(Rule::HeaderNumber.into());
    }
    Ok(digits.iter().fold(0, |value, digit| (value << 3) | u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_strictly() {
        let good: &[(&[u8], u64)] = &[
            (b"0000644\0", 0o644),
            (b"    644 ", 0o644),
            (b"644 \0\0\0\0", 0o644),
            (b"77777777", 0o7777_7777),
            (b"\x80\0\0\0\0\0\x01\0", 256),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", 2 << 32),
        ];
        for (field, value) in good {
            assert_eq!(number(field).ok(), Some(*value), "{field:?}");
        }
        let bad: &[&[u8]] = &[
            b"\0\0\0\0\0\0\0\0",
            b"        ",
            b"+000644\0",
            b"-000644\0",
            b"0000648\0",
            b"0x00644\0",
            b"644 1\0\0\0",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x80\x01\0\0\0\0\0\0\0\0\0\0",
            b"\x81\0\0\0\0\0\0\0\0\0\0\0",
        ];
        for field in bad {
            assert!(number(field).is_err(), "{field:?}");
        }
    }

    #[test]
    fn numbers_that_are_dropped_may_be_absent_or_negative_but_not_malformed() {
        for field in [&b"\0\0\0\0\0\0\0\0"[..], b"       \0", b"0000644\0", &[0xff; 12]] {
            assert!(check_dropped(field).is_ok(), "{field:?}");
        }
        for field in [&b"zzzzzzz\0"[..], b"-000001\0", b"0000644x"] {
            assert!(check_dropped(field).is_err(), "{field:?}");
        }
    }
}
