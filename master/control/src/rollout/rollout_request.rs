//! What is wanted, before any host was asked.

use engine::Policy;
use protocol::{AppName, Digest, Kind, Migrates};

use crate::updater_client::ReleaseArchive;

/// What every host is to come to.
#[derive(Debug, Clone)]
pub enum Goal {
    /// Run the release in this archive.
    Push(Box<ReleaseArchive>),
    /// Run a release that the host has already.
    Activate(Digest),
    /// Go back: to this release, or to the one before.
    Back(Option<Digest>),
}

/// A rollout, but for its hosts.
#[derive(Debug, Clone)]
pub struct RolloutRequest {
    pub app: AppName,
    /// What the hosts are to come to.
    pub goal: Goal,
    /// The release that the updaters are to run from afterwards, if they are to be replaced.
    pub updater: Option<Digest>,
    /// What the release does to stored data, where that was looked at.
    pub migration: Option<Migrates>,
    pub policy: Policy,
    /// Which hosts were asked for, as it was written.
    pub selection: String,
    /// Whether each host was asked for by its name: then one that is left out is a failure.
    pub by_name: bool,
}

impl Goal {
    /// `update` or `rollback`.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Push(_) | Self::Activate(_) => Kind::Update,
            Self::Back(_) => Kind::Rollback,
        }
    }

    /// The release that all hosts are to run; none for "what each ran before".
    pub fn target(&self) -> Option<Digest> {
        match self {
            Self::Push(archive) => Some(archive.digest),
            Self::Activate(digest) => Some(*digest),
            Self::Back(digest) => *digest,
        }
    }
}
