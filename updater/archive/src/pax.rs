//! PAX extended headers: records of `<length> <key>=<value>\n`, which may override a header.
//!
//! Readers differ on which of two records wins and on what a malformed one means, so neither is
//! taken. A record that could change what is unpacked must be known; the rest is dropped.

use crate::error::ReadEnd;
use crate::rule::Rule;

/// What an extended header overrides.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Overrides {
    pub(super) name: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
}

/// Reads the header of one entry.
pub(super) fn parse(data: &[u8]) -> Result<Overrides, ReadEnd> {
    let mut overrides = Overrides::default();
    let mut keys: Vec<&[u8]> = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let (key, value);
        (key, value, rest) = record(rest)?;
        if keys.contains(&key) {
            return Err(Rule::PaxDuplicate.into());
        }
        if keys.len() == MOST_RECORDS {
            return Err(Rule::HeaderBytes.into());
        }
        keys.push(key);
        match key {
            b"path" => overrides.name = Some(filled(value)?),
            b"linkpath" => overrides.link = Some(filled(value)?),
            b"size" => overrides.size = Some(decimal(value).ok_or(Rule::PaxMalformed)?),
            _ => check_ignored(key, value)?,
        }
    }
    Ok(overrides)
}

/// What a header that is for all entries says of the archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Global {
    /// Whether it has the volume's label, which GNU tar writes there.
    pub(super) is_labelled: bool,
    /// The comment: `git archive` writes its commit there, and so does `swarm pack`.
    pub(super) comment: Option<String>,
    /// What `git describe` says of the commit, by `swarm pack`.
    pub(super) describe: Option<String>,
}

/// Reads a header that is for all entries. What it says of the archive as a whole is kept, if it is one
/// short line.
pub(super) fn parse_global(data: &[u8]) -> Result<Global, ReadEnd> {
    let mut global = Global::default();
    let mut rest = data;
    while !rest.is_empty() {
        let (key, value);
        (key, value, rest) = record(rest)?;
        match key {
            VOLUME_LABEL => global.is_labelled = true,
            b"comment" => global.comment = line(value),
            _ if key == DESCRIBE.as_bytes() => global.describe = line(value),
            _ if changes_nothing(key) => {}
            _ => return Err(Rule::PaxGlobal.into()),
        }
    }
    Ok(global)
}

/// The key of what `git describe` says of the commit, in a global header.
pub const DESCRIBE: &str = "SWARM.describe";

/// A text that is one line on any screen, and short.
fn line(value: &[u8]) -> Option<String> {
    let is_line = !value.is_empty() && value.len() <= 128;
    let plain = value.iter().all(u8::is_ascii_graphic);
    (is_line && plain).then(|| String::from_utf8_lossy(value).into_owned())
}

/// GNU tar's label of a volume.
const VOLUME_LABEL: &[u8] = b"GNU.volume.label";

/// Keys of packers that say what is in a file: where its holes are, which directory's dump it is, or
/// which part of it this volume has.
const MEANINGFUL: [&[u8]; 7] = [
    b"GNU.sparse.",
    b"GNU.dumpdir",
    b"GNU.volume.",
    b"SCHILY.realsize",
    b"SCHILY.offset",
    b"SUN.holesdata",
    b"SUN.holesize",
];

/// Whether a key is one of a packer's own, by the dot in it, that readers may skip.
fn changes_nothing(key: &[u8]) -> bool {
    key.contains(&b'.') && !MEANINGFUL.iter().any(|begin| key.starts_with(begin))
}

/// More than any packer writes; the look for duplicates is quadratic.
const MOST_RECORDS: usize = 256;

/// Drops what does not change what is unpacked. A number must be one all the same: readers that use
/// it give up at a malformed one.
fn check_ignored(key: &[u8], value: &[u8]) -> Result<(), ReadEnd> {
    if key.starts_with(b"GNU.sparse.") || key == b"SCHILY.realsize" {
        return Err(Rule::Sparse.into());
    }
    let well_formed = match key {
        b"charset" | b"comment" | b"gname" | b"uname" => true,
        // Some readers keep them in 64 bits, with a sign.
        b"uid" | b"gid" => decimal(value).is_some_and(|id| i64::try_from(id).is_ok()),
        b"atime" | b"ctime" | b"mtime" => is_time(value),
        b"hdrcharset" if value == b"ISO-IR 10646 2000 UTF-8" => true,
        _ if changes_nothing(key) => true,
        _ => return Err(Rule::PaxUnknown.into()),
    };
    if well_formed { Ok(()) } else { Err(Rule::PaxMalformed.into()) }
}

/// A record's key and value, and what follows it.
type Record<'data> = (&'data [u8], &'data [u8], &'data [u8]);

fn record(data: &[u8]) -> Result<Record<'_>, ReadEnd> {
    split(data).ok_or_else(|| Rule::PaxMalformed.into())
}

fn split(data: &[u8]) -> Option<Record<'_>> {
    let blank = data.iter().take(8).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&data[..blank])?).ok()?;
    let body = data.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&body[..equals], &body[equals + 1..]);
    let is_plain = !key.is_empty() && key.iter().all(u8::is_ascii_graphic);
    is_plain.then_some((key, value, &data[length..]))
}

fn filled(value: &[u8]) -> Result<Vec<u8>, ReadEnd> {
    // An empty value means "as in the header" to some readers and "no name" to others.
    if value.is_empty() { Err(Rule::PaxMalformed.into()) } else { Ok(value.to_vec()) }
}

/// Seconds since 1970, with a sign and a fraction if need be.
fn is_time(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"-").unwrap_or(value);
    let mut parts = value.splitn(2, |byte| *byte == b'.');
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    parts.next().is_some_and(|part| !part.is_empty() && digits(part)) && parts.all(digits)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::UnpackError;
    use crate::sample::pax_record;

    fn rule(data: &[u8]) -> Option<Rule> {
        match parse(data) {
            Err(ReadEnd::Failed(UnpackError::Rejected { rule, .. })) => Some(rule),
            _ => None,
        }
    }

    #[test]
    fn known_records_are_read_and_the_rest_is_dropped() {
        let mut data = pax_record("path", "a/b");
        data.extend(pax_record("mtime", "-1.5"));
        data.extend(pax_record("uid", "4294967296"));
        data.extend(pax_record("SCHILY.xattr.security.capability", "x\ny"));
        data.extend(pax_record("NODETAR.type", "File"));
        data.extend(pax_record("size", "7"));
        let overrides = parse(&data).ok().unwrap();
        assert_eq!(overrides.name.as_deref(), Some(&b"a/b"[..]));
        assert_eq!(overrides.size, Some(7));
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        for data in [
            &b"x"[..],
            b"7 a=b",
            b"99 a=b\n",
            b"5 =b\n",
            b"4 a\n",
            b"0 a=b\n",
            b"+6 a=b\n",
            b"6  a=b",
            b"99999999999999999999 a=b\n",
            b"7 path=\n",
            b"8 path=\n",
            b"9 size=-\n",
            b"10 size=+1\n",
            b"8 uid=x\n",
            b"9 gid=-1\n",
            b"27 uid=9999999999999999999\n",
            b"9 mtime=\n",
            b"13 mtime=1e5\n",
            b"15 atime=1.5.6\n",
        ] {
            assert_eq!(rule(data), Some(Rule::PaxMalformed), "{}", data.escape_ascii());
        }
        let twice = [pax_record("path", "a"), pax_record("path", "b")].concat();
        assert_eq!(rule(&twice), Some(Rule::PaxDuplicate));
        assert_eq!(rule(&pax_record("GNU.sparse.major", "1")), Some(Rule::Sparse));
        assert_eq!(rule(&pax_record("hdrcharset", "BINARY")), Some(Rule::PaxUnknown));
        assert_eq!(rule(&pax_record("GNU.volume.filename", "x")), Some(Rule::PaxUnknown));
    }

    #[test]
    fn what_is_said_of_the_whole_archive_is_kept() {
        let commit = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let data = [pax_record("comment", commit), pax_record(DESCRIBE, "v1.4.0-3-g4b825dc642cb")];
        let global = parse_global(&data.concat()).ok().unwrap();
        assert_eq!(global.comment.as_deref(), Some(commit));
        assert_eq!(global.describe.as_deref(), Some("v1.4.0-3-g4b825dc642cb"));
        for odd in ["", "two words", "a\u{1b}[2J", &"x".repeat(129)] {
            assert_eq!(parse_global(&pax_record("comment", odd)).ok().unwrap().comment, None);
        }
        assert!(parse_global(&pax_record("path", "a")).is_err());
    }
}
