//! The identity of a release: the SHA-256 of its archive.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A SHA-256, written `sha256:<64 lower-case hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// So many characters of an id are enough to name a thing by: with fewer, the same words soon mean
/// another one.
pub const SHORTEST_ID: usize = 4;

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Neither `sha256:<hex>` nor 64 hex digits.
    #[error("read {0:?} as a digest: expected sha256:<64 hex digits>")]
    Malformed(String),
    /// A `Content-Digest` header without a well-formed `sha-256` member (RFC 9530).
    #[error("find a sha-256 in the Content-Digest header: expected sha-256=:<base64>:")]
    ContentDigest,
}

impl Digest {
    /// Wraps the 32 bytes that a SHA-256 gave.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hex digits, without the `sha256:`; the name of a release's directory.
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The first eight hex digits, for tables.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }

    /// Whether an operator means this digest by `name`: the digest itself, or at least the first
    /// [`SHORTEST_ID`] of its hex digits, in either case, with or without `sha256:`.
    pub fn begins_with(&self, name: &str) -> bool {
        let digits = name.strip_prefix("sha256:").unwrap_or(name).to_ascii_lowercase();
        digits.len() >= SHORTEST_ID && self.hex().starts_with(&digits)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let malformed = || DigestError::Malformed(text.chars().take(100).collect());
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| malformed())?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Writes a digest as the value of a `Content-Digest` header (RFC 9530, section 2).
pub fn content_digest(digest: &Digest) -> String {
    format!("sha-256=:{}:", STANDARD.encode(digest.0))
}

/// Reads the `sha-256` member of a `Content-Digest` header. Members of other algorithms are
/// skipped, as RFC 9530 asks.
pub fn parse_content_digest(value: &str) -> Result<Digest, DigestError> {
    let members = value.split(',').filter_map(|member| member.trim().split_once('='));
    let mut ours = members.filter(|(algorithm, _)| algorithm.eq_ignore_ascii_case("sha-256"));
    // Of two, readers of such lists believe the last one, and others the first.
    let only = ours.next().filter(|_| ours.next().is_none());
    only.and_then(|(_, bytes)| bytes.strip_prefix(':')?.strip_suffix(':'))
        .and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .map(Digest)
        .ok_or(DigestError::ContentDigest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_with_and_without_its_prefix() {
        let hex = "ab".repeat(32);
        let plain: Digest = hex.parse().unwrap();
        let prefixed: Digest = format!("sha256:{hex}").parse().unwrap();
        assert_eq!(plain, prefixed);
        assert_eq!(plain.to_string(), format!("sha256:{hex}"));
        assert_eq!(plain.short(), "abababab");
    }

    #[test]
    fn what_is_not_a_digest_is_refused() {
        for text in ["", "sha256:", "sha256:zz", "md5:abc", &"a".repeat(63), &"a".repeat(65)] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_content_digest_survives_the_round_trip_among_other_algorithms() {
        let digest = Digest::from_bytes([7; 32]);
        let header = format!("sha-512=:AAAA:, {}", content_digest(&digest));
        assert_eq!(parse_content_digest(&header), Ok(digest));
    }

    #[test]
    fn a_content_digest_without_sha_256_is_refused() {
        for value in ["", "sha-512=:AAAA:", "sha-256=AAAA", "sha-256=:AAAA:", "sha-256=:%%%:"] {
            assert_eq!(parse_content_digest(value), Err(DigestError::ContentDigest), "{value}");
        }
    }
}
