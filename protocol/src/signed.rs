//! The signed manifest: what a release key vouches for, in a small file that a person can read
//! before signing it.
//!
//! It is parsed only after its signature was verified, and checked against what is known of the
//! host and of the order before the archive's first byte is asked for. The updater, which has the
//! keys, verifies it; nothing here reads a clock.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::one_line::{in_one_line, is_line};
use crate::{AppName, Code, Digest, Problem};

/// What the holder of a release key says of one archive. In TOML, in the order of these keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedManifest {
    /// The version of this format.
    pub format: u32,
    /// The app that it may run as.
    pub app: AppName,
    /// The name in its `release.toml`, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version in its `release.toml`, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// A number that only grows: a host takes no lower one than the highest that it took before.
    pub counter: u64,
    /// The archive's SHA-256.
    pub digest: Digest,
    /// The archive's length.
    pub archive_bytes: u64,
    /// What it inflates to, the copies of hardlinks included: as the host's limit counts it.
    pub unpacked_bytes: u64,
    /// Its headers, or what they make with the directories above, whichever are more: as the host's
    /// limit counts them.
    pub entries: u64,
    /// From when on no host takes it any more.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
}

/// Why a text is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignedManifestError {
    /// It is too long.
    #[error("read the manifest: it has more than {} bytes", SignedManifest::MOST_BYTES)]
    TooLong,
    /// Not TOML in UTF-8, or not of this shape.
    #[error("read the manifest: {0}")]
    Malformed(String),
    /// Of another format.
    #[error("read the manifest: it has format {0}, and {known} is known", known = SignedManifest::FORMAT)]
    Format(u32),
    /// A text that would not be one line on a screen.
    #[error("read the manifest: {0} must be one line of at most 128 printable characters")]
    Text(&'static str),
    /// A number or a time that cannot be written.
    #[error("write the manifest: {0}")]
    Unwritable(String),
}

impl SignedManifest {
    /// The version of this format.
    pub const FORMAT: u32 = 1;
    /// Bytes of a manifest, at most.
    pub const MOST_BYTES: usize = 4096;
    /// Bytes of its signature's file, at most.
    pub const MOST_SIGNATURE_BYTES: usize = 4096;
    /// What is added to an archive's file name for its manifest's.
    pub const SUFFIX: &'static str = ".manifest";
    /// What is added to a manifest's file name for its signature's; as the `minisign` tool does.
    pub const SIGNATURE_SUFFIX: &'static str = ".minisig";

    /// Reads a manifest. Unknown and repeated keys are errors.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignedManifestError> {
        if bytes.len() > Self::MOST_BYTES {
            return Err(SignedManifestError::TooLong);
        }
        let malformed = |error: &dyn fmt::Display| {
            SignedManifestError::Malformed(error.to_string().trim().to_owned())
        };
        let text = std::str::from_utf8(bytes).map_err(|error| malformed(&error))?;
        let head: Head =
            toml::from_str(text).map_err(|error| malformed(&in_one_line(&error, text)))?;
        if head.format != Self::FORMAT {
            return Err(SignedManifestError::Format(head.format));
        }
        let manifest: Self =
            toml::from_str(text).map_err(|error| malformed(&in_one_line(&error, text)))?;
        manifest.check_texts()?;
        Ok(manifest)
    }

    /// The text that is signed. The same manifest always gives the same text.
    pub fn render(&self) -> Result<String, SignedManifestError> {
        self.check_texts()?;
        let unwritable = |error: toml::ser::Error| {
            SignedManifestError::Unwritable(error.to_string().trim().to_owned())
        };
        let text = toml::to_string(self).map_err(unwritable)?;
        if text.len() > Self::MOST_BYTES {
            return Err(SignedManifestError::TooLong);
        }
        Ok(text)
    }

    /// Whether a host may take the archive that this is about.
    pub fn check(&self, offer: &Offer<'_>, now: OffsetDateTime) -> Result<(), SignatureError> {
        let refuse = |rule, detail: String| Err(SignatureError { rule, detail });
        if self.app != *offer.app {
            let detail = format!("the manifest is for the app {}, not for {}", self.app, offer.app);
            return refuse(SignatureRule::WrongApp, detail);
        }
        if let Some(digest) = offer.digest.filter(|digest| *digest != self.digest) {
            let detail = format!("the manifest is of {}, and {digest} was ordered", self.digest);
            return refuse(SignatureRule::WrongDigest, detail);
        }
        if let Some(length) = offer.length.filter(|length| *length != self.archive_bytes) {
            let signed = self.archive_bytes;
            let detail = format!("the manifest says {signed} bytes, and {length} are to be sent");
            return refuse(SignatureRule::WrongLength, detail);
        }
        if now >= self.not_after {
            let ended = self.not_after.format(&Rfc3339).unwrap_or_default();
            let detail = format!("the manifest ended at {ended}; sign the release again");
            return refuse(SignatureRule::Expired, detail);
        }
        match offer.highest {
            Some(highest) if !highest.allows(self.counter, &self.digest) => {
                let (given, counter, digest) = (self.counter, highest.counter, highest.digest);
                let detail = format!(
                    "the manifest's counter is {given}, and {counter} was taken with {digest}; \
                     sign the release again with a higher one"
                );
                refuse(SignatureRule::Counter, detail)
            }
            _ => Ok(()),
        }
    }

    fn check_texts(&self) -> Result<(), SignedManifestError> {
        for (what, text) in [("name", &self.name), ("version", &self.version)] {
            if text.as_deref().is_some_and(|text| !is_line(text)) {
                return Err(SignedManifestError::Text(what));
            }
        }
        Ok(())
    }
}

/// What is known where a signed release is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    /// The app that is to run it.
    pub app: &'a AppName,
    /// The digest that the order announces, if it does.
    pub digest: Option<Digest>,
    /// The length that the order announces, if it does.
    pub length: Option<u64>,
    /// The highest counter that was taken for the app, if one was.
    pub highest: Option<Highest>,
}

/// The highest counter that was taken, and of which release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Highest {
    /// The counter.
    pub counter: u64,
    /// The release.
    pub digest: Digest,
}

impl Highest {
    /// A higher counter is taken; the same one only of the same release.
    pub fn allows(&self, counter: u64, digest: &Digest) -> bool {
        counter > self.counter || (counter == self.counter && *digest == self.digest)
    }
}

/// A rule of signed releases that was broken: the `rule` of a `signature_rejected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum SignatureRule {
    /// No manifest or no signature came, or the release on the disk never had one.
    Unsigned,
    /// The manifest or the signature cannot be read.
    Malformed,
    /// The signature is by none of the trusted keys.
    UnknownKey,
    /// The signature is not of this manifest.
    BadSignature,
    /// The manifest is for another app.
    WrongApp,
    /// The manifest is of another archive than the one announced.
    WrongDigest,
    /// The archive is shorter or longer than the manifest says.
    WrongLength,
    /// The archive inflates to another number of bytes than the manifest says.
    UnpackedBytes,
    /// The archive has another number of entries than the manifest says.
    Entries,
    /// The manifest's time is over.
    Expired,
    /// A higher counter was taken before.
    Counter,
}

/// Why a release is not taken under its signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct SignatureError {
    /// The rule that was broken.
    pub rule: SignatureRule,
    /// What was found, and what to do.
    pub detail: String,
}

impl From<SignatureError> for Problem {
    fn from(error: SignatureError) -> Self {
        let problem = Self::new(Code::SignatureRejected, error.detail);
        Self { rule: Some(error.rule.to_string()), ..problem }
    }
}

/// What tells a manifest of another format from one that is malformed.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);
    const DIGEST: Digest = Digest::from_bytes([0xab; 32]);

    fn manifest() -> SignedManifest {
        SignedManifest {
            format: 1,
            app: "agent".parse().unwrap(),
            name: Some("greeter".to_owned()),
            version: Some("1.4.0 \"quoted\"".to_owned()),
            counter: 20_260_102_030_405,
            digest: DIGEST,
            archive_bytes: 1000,
            unpacked_bytes: 4000,
            entries: 12,
            not_after: datetime!(2026-04-02 03:04:05 UTC),
        }
    }

    #[test]
    fn the_text_that_is_signed() {
        let text = manifest().render().unwrap();
        insta::assert_snapshot!(text, @r#"
        format = 1
        app = "agent"
        name = "greeter"
        version = '1.4.0 "quoted"'
        counter = 20260102030405
        digest = "sha256:abababababababababababababababababababababababababababababababab"
        archive_bytes = 1000
        unpacked_bytes = 4000
        entries = 12
        not_after = "2026-04-02T03:04:05Z"
        "#);
        assert_eq!(SignedManifest::parse(text.as_bytes()), Ok(manifest()));
        let bare = SignedManifest { name: None, version: None, ..manifest() };
        assert_eq!(SignedManifest::parse(bare.render().unwrap().as_bytes()), Ok(bare));
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let text = manifest().render().unwrap();
        assert_eq!(
            SignedManifest::parse(text.replace("format = 1", "format = 2\nx = 1").as_bytes()),
            Err(SignedManifestError::Format(2))
        );
        for (from, to) in [
            ("format = 1\n", ""),
            ("entries = 12", "entries = -12"),
            ("entries = 12", "entries = 12\nentries = 13"),
            ("entries = 12", "entries = 12\nmore = 1"),
            ("counter = 2", "counter = 92233720368547758070\n# "),
            ("sha256:ab", "sha256:xb"),
            ("2026-04-02T03:04:05Z", "2026-04-02"),
            ("\"agent\"", "\"../agent\""),
            ("\"greeter\"", "\"a\\u001b[2J\""),
            ("\"greeter\"", "\"\""),
        ] {
            let bad = text.replace(from, to);
            assert_ne!(bad, text, "{from}");
            assert!(SignedManifest::parse(bad.as_bytes()).is_err(), "{to}");
        }
        assert!(SignedManifest::parse(b"\xff").is_err());
        let long = format!("{text}#{}", "x".repeat(SignedManifest::MOST_BYTES));
        assert_eq!(SignedManifest::parse(long.as_bytes()), Err(SignedManifestError::TooLong));
        let highest = SignedManifest { counter: u64::MAX, ..manifest() };
        assert_eq!(SignedManifest::parse(highest.render().unwrap().as_bytes()), Ok(highest));
    }

    #[test]
    fn a_manifest_is_held_to_what_is_ordered() {
        let (agent, web): (AppName, AppName) = ("agent".parse().unwrap(), "web".parse().unwrap());
        let nothing = Offer { app: &agent, digest: None, length: None, highest: None };
        let other = Digest::from_bytes([1; 32]);
        let counter = manifest().counter;
        let highest = |counter, digest| Some(Highest { counter, digest });
        let later = NOW + time::Duration::days(365);
        let cases = [
            (nothing, NOW, None),
            (Offer { digest: Some(DIGEST), length: Some(1000), ..nothing }, NOW, None),
            (Offer { highest: highest(counter - 1, other), ..nothing }, NOW, None),
            (Offer { highest: highest(counter, DIGEST), ..nothing }, NOW, None),
            (Offer { app: &web, ..nothing }, NOW, Some(SignatureRule::WrongApp)),
            (Offer { digest: Some(other), ..nothing }, NOW, Some(SignatureRule::WrongDigest)),
            (Offer { length: Some(999), ..nothing }, NOW, Some(SignatureRule::WrongLength)),
            (Offer { length: Some(1001), ..nothing }, NOW, Some(SignatureRule::WrongLength)),
            (nothing, later, Some(SignatureRule::Expired)),
            (nothing, manifest().not_after, Some(SignatureRule::Expired)),
            (
                Offer { highest: highest(counter, other), ..nothing },
                NOW,
                Some(SignatureRule::Counter),
            ),
            (
                Offer { highest: highest(counter + 1, DIGEST), ..nothing },
                NOW,
                Some(SignatureRule::Counter),
            ),
        ];
        for (offer, now, expected) in cases {
            let found = manifest().check(&offer, now).map_err(|error| error.rule);
            assert_eq!(found.err(), expected, "{offer:?}");
        }
    }

    #[test]
    fn a_refusal_is_a_problem_with_its_rule() {
        let detail = "why".to_owned();
        for rule in SignatureRule::VARIANTS {
            let problem = Problem::from(SignatureError { rule: *rule, detail: detail.clone() });
            assert_eq!(
                (problem.code.status(), problem.rule.as_deref()),
                (422, Some(&*rule.to_string()))
            );
        }
    }
}
