//! `.release.json`: what a release directory says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{BuildKind, Digest};

/// The name of the record in a release's directory. It is written last: a directory without it is
/// litter.
pub const RELEASE_RECORD: &str = ".release.json";

/// What a release is, as its host wrote it down when it was whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    /// The version of this format.
    pub format: u32,
    /// The SHA-256 of the archive that it came in.
    pub digest: Digest,
    /// The name in its `release.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version in its `release.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The label that the sender gave it (a git commit). A label only: the digest is the identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// When it was whole on this host.
    #[serde(with = "time::serde::rfc3339")]
    pub installed_at: OffsetDateTime,
    /// The archive's size.
    pub archive_bytes: u64,
    /// The size of its files before the build.
    pub unpacked_bytes: u64,
    /// The number of its entries before the build.
    pub entries: u64,
    /// How it was built.
    pub build: BuildKind,
    /// Whether it is files alone, of which nothing can be started, and says nothing of its start.
    #[serde(default, skip_serializing_if = "crate::order::is_false")]
    pub files_alone: bool,
    /// What it was built with, and by which file: `uv from uv.lock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_with: Option<String>,
    /// The lock file that its build passed over, because the release says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored_lock: Option<String>,
    /// The git commit that it was packed from, by its archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What `git describe` says of that, by its archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub describe: Option<String>,
    /// The unit files that it ships, by their names on the host: the whole texts, as they came in the
    /// archive. In its tree, its build could have written them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, String>,
}
