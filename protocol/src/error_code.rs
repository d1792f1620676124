//! What can go wrong, by stable codes. The HTTP status and the title of each stand in one table.
//!
//! A code of a newer peer keeps its text: it must never make the rest unreadable.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Characters of a code's name.
const NAME_BYTES: usize = 64;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $status:literal, $name:literal, $title:literal;)*) => {
        /// What went wrong, stable across versions. The HTTP status follows from it.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
            /// A code that a newer version has and this one does not.
            Unknown(Box<UnknownCode>),
        }

        impl Code {
            /// Every code that this version knows, for documentation and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The HTTP status that goes with it.
            pub const fn status(&self) -> u16 {
                match self {
                    $(Self::$variant => $status,)*
                    Self::Unknown(unknown) => unknown.status,
                }
            }

            /// The name on the wire.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Unknown(unknown) => &unknown.name,
                }
            }

            /// A short summary, the same for every occurrence (RFC 9457, section 3.1.3).
            pub fn title(&self) -> &str {
                match self {
                    $(Self::$variant => $title,)*
                    Self::Unknown(unknown) => &unknown.title,
                }
            }

            fn known(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// The request could not be understood.
    BadRequest = 400, "bad_request", "The request could not be understood";
    /// An archive came without the digest that it must have.
    DigestMissing = 400, "digest_missing", "The archive's digest is missing";
    /// A valid certificate of the wrong role.
    RoleForbidden = 403, "role_forbidden", "This certificate's role may not do that";
    /// There is no such route.
    NotFound = 404, "not_found", "There is nothing here";
    /// There is nothing to go back to.
    NoPreviousRelease = 404, "no_previous_release", "There is no previous release";
    /// This host keeps no app of that name.
    UnknownApp = 404, "unknown_app", "This host has no such app";
    /// This host has no release of that digest.
    UnknownRelease = 404, "unknown_release", "This host has no such release";
    /// This host knows of no such transaction.
    UnknownTransaction = 404, "unknown_transaction", "This host knows of no such transaction";
    /// The route exists, the method does not.
    MethodNotAllowed = 405, "method_not_allowed", "This method is not allowed here";
    /// The update failed and the host is back on its last good release.
    RolledBack = 409, "rolled_back", "The update failed and was undone";
    /// The release failed on this host before.
    Quarantined = 409, "quarantined", "This release failed on this host before";
    /// The order's epoch is lower than one that was seen.
    StaleMaster = 409, "stale_master", "A newer master has taken over";
    /// The transaction was cut short before its switch, or asked to stop; what ran before runs.
    Interrupted = 409, "interrupted", "The transaction was stopped before its end";
    /// Going back would pass a migration that cannot be undone.
    Irreversible = 409, "irreversible", "A migration cannot be undone";
    /// More archive bytes than the limit.
    ArchiveTooLarge = 413, "archive_too_large", "The archive is too large";
    /// As many readers of logs are connected as there may be.
    TooManyReaders = 429, "too_many_readers", "Too many logs are being read";
    /// The head of the request is longer than what is read of one.
    HeadTooLarge = 431, "head_too_large", "The head of the request is too large";
    /// The archive breaks a rule; `entry` and `rule` say where and which.
    ArchiveRejected = 422, "archive_rejected", "The archive breaks a rule";
    /// The bytes are not those of the digest.
    DigestMismatch = 422, "digest_mismatch", "The archive is not the one announced";
    /// The release's signature does not hold.
    SignatureRejected = 422, "signature_rejected", "The release's signature does not hold";
    /// The release is for another operating system or architecture.
    PlatformMismatch = 422, "platform_mismatch", "The release is not for this kind of host";
    /// Another transaction holds the app.
    UpdateInProgress = 423, "update_in_progress", "Another transaction is under way";
    /// The build failed; the old release runs on.
    BuildFailed = 500, "build_failed", "The release could not be built";
    /// A hook before the switch failed; the old release runs on.
    HookFailed = 500, "hook_failed", "A hook of the release failed";
    /// Neither release could be proven: the host is stranded.
    RollbackFailed = 500, "rollback_failed", "Neither release could be proven healthy";
    /// The new updater did not pass its check.
    SelfUpdateFailed = 500, "self_update_failed", "The new updater could not take over";
    /// A drill failed; the real apps were not touched.
    DrillFailed = 500, "drill_failed", "A drill failed on this host";
    /// Something that should not fail did.
    Internal = 500, "internal", "Something failed on the host itself";
    /// Not built, or not possible with this app's configuration.
    NotSupported = 501, "not_supported", "This updater cannot do that";
    /// Not enough disk space or inodes.
    NoSpace = 507, "no_space", "There is not enough space on the host";
}

/// A code that this version does not know, with what its sender said of it. It is only ever read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnknownCode {
    name: String,
    status: u16,
    title: String,
}

/// A text that is no code of any version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("read the code: it has from 1 to {NAME_BYTES} of a to z, 0 to 9 and _")]
pub struct CodeError;

impl Code {
    /// The same code; an unknown one with the status and the title that came beside its name.
    pub(crate) fn described(self, status: Option<u16>, title: Option<String>) -> Self {
        let Self::Unknown(mut unknown) = self else { return self };
        if let Some(status) = status.filter(|status| (400..600).contains(status)) {
            unknown.status = status;
        }
        if let Some(title) = title {
            unknown.title = title;
        }
        Self::Unknown(unknown)
    }
}

impl UnknownCode {
    /// What RFC 9110 says of a status that is not known, and a title that claims nothing.
    fn named(name: &str) -> Self {
        let title = "An error that this version does not know".to_owned();
        Self { name: name.to_owned(), status: 500, title }
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        if let Some(known) = Self::known(text) {
            return Ok(known);
        }
        let fits = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if text.is_empty() || text.len() > NAME_BYTES || !text.bytes().all(fits) {
            return Err(CodeError);
        }
        Ok(Self::Unknown(Box::new(UnknownCode::named(text))))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_name_and_an_error_status() {
        let mut names: Vec<_> = Code::ALL.iter().map(Code::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!((400..600).contains(&code.status()), "{code}");
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
            assert_eq!(code.name().parse().as_ref(), Ok(code));
        }
    }

    #[test]
    fn a_code_of_a_newer_version_keeps_its_text() {
        let code: Code = serde_json::from_str("\"on_fire\"").unwrap();
        assert!(matches!(&code, Code::Unknown(_)), "{code:?}");
        assert_eq!((code.name(), code.status()), ("on_fire", 500));
        assert_eq!(serde_json::to_string(&code).unwrap(), "\"on_fire\"");
    }

    #[test]
    fn what_no_version_would_call_a_code_is_refused() {
        for text in ["", "On Fire", "a\u{1b}[2J", &"x".repeat(65)] {
            assert_eq!(text.parse::<Code>(), Err(CodeError), "{text:?}");
        }
    }
}
