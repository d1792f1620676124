//! Errors on the wire: RFC 9457 problem details with a stable `code`.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{Digest, Kind, TransactionId};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $status:literal, $name:literal, $title:literal;)*) => {
        /// What went wrong, stable across versions. The HTTP status follows from it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Code {
            /// Every code, for documentation and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// A short summary, the same for every occurrence (RFC 9457, section 3.1.3).
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
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

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// Who holds an app's lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The transaction that is under way.
    pub transaction: TransactionId,
    /// What it is for.
    pub kind: Kind,
    /// The release that it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Digest>,
}

/// An `application/problem+json` body (RFC 9457). The fields after `code` are there where they
/// apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Always `about:blank`: `code` is the identifier.
    #[serde(rename = "type", default = "about_blank")]
    pub type_uri: String,
    /// A summary that is the same for every occurrence of the code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do.
    pub detail: String,
    /// The stable identifier.
    pub code: Code,
    /// The archive's entry that broke a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The rule that was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The last lines of what the build or the agent printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
    /// Who holds the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// Since when.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub since: Option<OffsetDateTime>,
    /// Bytes and inodes that are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<Space>,
    /// Bytes and inodes that are free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<Space>,
    /// The transaction that ended this way; its evidence is kept under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
    /// True where the host is back on the release that it had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<bool>,
    /// The release before the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Digest>,
    /// The release that was ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Digest>,
    /// The highest epoch that the updater has seen, with [`Code::StaleMaster`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// An amount of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// In bytes.
    pub bytes: u64,
    /// In inodes.
    pub inodes: u64,
}

impl Problem {
    /// A problem with nothing but its code and what happened.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            type_uri: about_blank(),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            entry: None,
            rule: None,
            output: Vec::new(),
            holder: None,
            since: None,
            needed: None,
            free: None,
            transaction: None,
            rolled_back: None,
            from: None,
            to: None,
            epoch: None,
        }
    }
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_name_and_an_error_status() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!((400..600).contains(&code.status()), "{code}");
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
    }

    #[test]
    fn a_problem_shows_only_what_applies() {
        let problem = Problem::new(Code::UnknownApp, "no app is called web; there is agent");
        insta::assert_snapshot!(serde_json::to_string_pretty(&problem).unwrap(), @r#"
        {
          "type": "about:blank",
          "title": "This host has no such app",
          "status": 404,
          "detail": "no app is called web; there is agent",
          "code": "unknown_app"
        }
        "#);
    }
}
