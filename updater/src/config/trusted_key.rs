//! `trusted_keys = ["RW…", "/etc/updater/release.pub"]`: keys of people who may sign releases.

use std::path::PathBuf;

use minisign_verify::PublicKey;
use serde::Deserialize;

/// A minisign public key, or the file that it is in. What begins with `RW`, as all such keys do, is
/// a key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum TrustedKey {
    /// The line of 56 characters.
    Line(String),
    /// The file that `minisign -G` writes.
    File(PathBuf),
}

/// A text that is no minisign public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read {0:?} as a minisign public key: it is the line of 56 characters, RW…, of its file")]
pub struct MalformedKey(pub String);

impl TryFrom<String> for TrustedKey {
    type Error = MalformedKey;

    fn try_from(word: String) -> Result<Self, MalformedKey> {
        if !word.starts_with("RW") {
            return Ok(Self::File(word.into()));
        }
        match PublicKey::from_base64(&word) {
            Ok(_) => Ok(Self::Line(word)),
            Err(_) => Err(MalformedKey(word.chars().take(100).collect())),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    /// A key whose secret half is nowhere.
    pub(crate) const KEY: &str = "RWTFMQUSrnIjenzEHmDSAV2G7ca8LzWfLEmpKbK+w5fOo54dM1u+np6i";
}

#[cfg(test)]
mod tests {
    use super::testing::KEY;
    use super::*;

    #[test]
    fn a_key_is_a_line_or_a_file() {
        let read = |text: &str| TrustedKey::try_from(text.to_owned());
        assert_eq!(read(KEY), Ok(TrustedKey::Line(KEY.into())));
        assert_eq!(read("keys/release.pub"), Ok(TrustedKey::File("keys/release.pub".into())));
        assert!(read(&KEY[..50]).is_err());
    }
}
