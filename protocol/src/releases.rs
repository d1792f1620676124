//! The body of `GET /releases`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{AppName, Digest};

/// `GET /releases`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Releases {
    /// The version of this format.
    pub format: u32,
    /// By app.
    pub apps: BTreeMap<AppName, AppReleases>,
}

/// One app in `GET /releases`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppReleases {
    /// What `active` names.
    pub active: Option<Digest>,
    /// What `prev` names: where a plain rollback goes.
    pub prev: Option<Digest>,
    /// Every release on the disk, the newest first.
    pub releases: Vec<Release>,
}

/// What is known of a release on its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseState {
    /// On the disk, never switched to.
    Staged,
    /// Proven here at least once.
    Proven,
    /// Switched to, could not be proven, and never was before. Quarantined.
    Failed,
}

/// One release in `GET /releases`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its digest.
    pub digest: Digest,
    /// What is known of it.
    pub state: ReleaseState,
    /// The name in its `release.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The sender's label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// When it was whole on the disk; absent if its record is damaged.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub installed_at: Option<OffsetDateTime>,
    /// When it was last proven.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub proven_at: Option<OffsetDateTime>,
    /// When it last failed. Of a proven release, it is the way to it that failed.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub failed_at: Option<OffsetDateTime>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Whether an order for it is refused.
    pub quarantined: bool,
    /// What is not as it was after its build, in words; looked at only where the question asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// Its directory.
    pub path: String,
}
