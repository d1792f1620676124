//! `swarm release`: what was written about a release, and whether it may go out again.

use std::path::Path;

use protocol::{Digest, SignedManifest};
use serde::Serialize;

/// A manifest that was written, to be signed elsewhere.
#[derive(Debug, Serialize)]
pub struct DescribedRelease<'a> {
    pub manifest: &'a Path,
    pub says: &'a SignedManifest,
}

/// A manifest that was written and signed.
#[derive(Debug, Serialize)]
pub struct SignedRelease<'a> {
    #[serde(flatten)]
    pub described: DescribedRelease<'a>,
    pub signature: &'a Path,
    /// The public key, as `trusted_keys` of a host names it.
    pub key: &'a str,
}

/// Whether the quarantine of a release was lifted.
#[derive(Debug, Serialize)]
pub struct ForgivenRelease {
    pub release: Digest,
    pub forgiven: bool,
}
