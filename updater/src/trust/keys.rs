//! The keys of `trusted_keys`, and what they have signed.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use common::failed_to;
use minisign_verify::{Error as Minisign, PublicKey, Signature};
use protocol::{SignatureError, SignatureRule, SignedManifest};

use crate::config::{MalformedKey, TrustedKey};

/// Bytes of a public key's file, at most.
const KEY_BYTES: u64 = 4096;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is no minisign public key.
    #[error(transparent)]
    Malformed(#[from] MalformedKey),
    /// Its file could not be read.
    #[error("read the key {path}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    /// Its file has something else in it.
    #[error("find a minisign public key in {path}", path = .0.display())]
    NoKey(PathBuf),
}

/// What came with an archive, as it came.
#[derive(Debug, Default)]
pub struct Presented {
    pub manifest: Option<Vec<u8>>,
    pub signature: Option<Vec<u8>>,
}

/// A manifest that a trusted key has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub manifest: SignedManifest,
    /// The line of the key.
    pub key: String,
}

/// Every key that is trusted for an app.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys(Vec<(String, PublicKey)>);

impl TrustedKeys {
    /// Reads all of them. One that cannot be read is an error: a key that was meant to be trusted,
    /// or to be asked for, is never passed over.
    pub fn load(keys: &[TrustedKey]) -> Result<Self, KeyError> {
        keys.iter().map(load).collect::<Result<_, _>>().map(Self)
    }

    /// Whether none is, so that signatures are not asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the key of this line is one of them.
    pub fn has(&self, line: &str) -> bool {
        self.0.iter().any(|(known, _)| known == line)
    }

    /// Verifies what came with an archive, and only then reads it. Of the signature's file nothing
    /// but the signature is believed: its comments are for people.
    pub fn verify(&self, presented: &Presented) -> Result<Accepted, SignatureError> {
        let (Some(manifest), Some(signature)) = (&presented.manifest, &presented.signature) else {
            return Err(unsigned(presented));
        };
        let signature = std::str::from_utf8(signature)
            .ok()
            .and_then(|text| Signature::decode(text).ok())
            .ok_or_else(|| {
                refused(SignatureRule::Malformed, "the signature is no minisign file")
            })?;
        let mut refusal = refused(
            SignatureRule::UnknownKey,
            "the manifest is signed by none of the keys in trusted_keys of this host",
        );
        for (line, key) in &self.0 {
            match key.verify(manifest, &signature, false) {
                Ok(()) => {
                    let manifest = SignedManifest::parse(manifest)
                        .map_err(|error| refused(SignatureRule::Malformed, &failed_to(&error)))?;
                    return Ok(Accepted { manifest, key: line.clone() });
                }
                Err(Minisign::UnexpectedKeyId) => {}
                Err(Minisign::UnexpectedAlgorithm) => {
                    let detail =
                        "the signature is of minisign's old kind; sign with minisign -S -H";
                    refusal = refused(SignatureRule::BadSignature, detail);
                }
                Err(_) => {
                    let detail = "the signature is not of this manifest; sign the release again";
                    refusal = refused(SignatureRule::BadSignature, detail);
                }
            }
        }
        Err(refusal)
    }
}

fn load(key: &TrustedKey) -> Result<(String, PublicKey), KeyError> {
    match key {
        TrustedKey::Line(line) => PublicKey::from_base64(line)
            .map(|key| (line.clone(), key))
            .map_err(|_| MalformedKey(line.clone()).into()),
        TrustedKey::File(path) => {
            let text =
                read(path).map_err(|source| KeyError::Read { path: path.clone(), source })?;
            // The first line is a comment; `minisign` takes the key from the second.
            let line = text.lines().nth(1).unwrap_or_default().trim();
            PublicKey::from_base64(line)
                .map(|key| (line.to_owned(), key))
                .map_err(|_| KeyError::NoKey(path.clone()))
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(KEY_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn unsigned(presented: &Presented) -> SignatureError {
    let what = match (&presented.manifest, &presented.signature) {
        (Some(_), None) => "the manifest came without its signature",
        (None, Some(_)) => "the signature came without its manifest",
        _ => "the archive came without a signed manifest",
    };
    let detail = format!(
        "this host takes only signed releases, and {what}: sign it with swarm release sign, and \
         send both files with it (in a form, before the part tarball)"
    );
    refused(SignatureRule::Unsigned, &detail)
}

fn refused(rule: SignatureRule, detail: &str) -> SignatureError {
    SignatureError { rule, detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::super::testing::{KEY, MANIFEST, OTHER_KEY, SIGNATURE, presented};
    use super::*;

    fn keys(lines: &[&str]) -> TrustedKeys {
        let keys: Vec<_> = lines.iter().map(|line| TrustedKey::Line((*line).to_owned())).collect();
        TrustedKeys::load(&keys).unwrap()
    }

    fn rule(keys: &TrustedKeys, presented: &Presented) -> SignatureRule {
        keys.verify(presented).unwrap_err().rule
    }

    #[test]
    fn what_the_minisign_tool_signed_is_accepted_by_any_trusted_key() {
        for lines in [&[KEY][..], &[OTHER_KEY, KEY]] {
            let accepted = keys(lines).verify(&presented(MANIFEST, SIGNATURE)).unwrap();
            assert_eq!(accepted.key, KEY);
            assert_eq!(accepted.manifest.counter, 42);
        }
    }

    #[test]
    fn every_refusal_has_its_rule() {
        let trusted = keys(&[KEY]);
        let other = keys(&[OTHER_KEY]);
        let changed = MANIFEST.replace("counter = 42", "counter = 43");
        let comment = SIGNATURE.replace("trusted comment: of", "trusted comment: by");
        let cut = &SIGNATURE[..SIGNATURE.len() - 40];
        assert_eq!(rule(&trusted, &Presented::default()), SignatureRule::Unsigned);
        let half = Presented { signature: None, ..presented(MANIFEST, SIGNATURE) };
        assert_eq!(rule(&trusted, &half), SignatureRule::Unsigned);
        for (keys, manifest, signature, expected) in [
            (&trusted, changed.as_str(), SIGNATURE, SignatureRule::BadSignature),
            (&trusted, MANIFEST, comment.as_str(), SignatureRule::BadSignature),
            (&trusted, "", SIGNATURE, SignatureRule::BadSignature),
            (&trusted, MANIFEST, cut, SignatureRule::Malformed),
            (&trusted, MANIFEST, "", SignatureRule::Malformed),
            (&other, MANIFEST, SIGNATURE, SignatureRule::UnknownKey),
        ] {
            assert_eq!(rule(keys, &presented(manifest, signature)), expected, "{signature}");
        }
    }

    #[test]
    fn the_file_of_a_key_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("release.pub");
        let file = TrustedKey::File(path.clone());
        assert!(matches!(TrustedKeys::load(slice::from_ref(&file)), Err(KeyError::Read { .. })));
        for (text, good) in [(format!("untrusted comment: x\n{KEY}\n"), true), (KEY.into(), false)]
        {
            std::fs::write(&path, text).unwrap();
            let loaded = TrustedKeys::load(slice::from_ref(&file));
            assert_eq!(loaded.is_ok_and(|keys| keys.has(KEY)), good);
        }
    }
}
