//! What is wanted, before any host was asked.

use std::collections::{BTreeMap, BTreeSet};

use engine::Policy;
use protocol::{AppName, Digest, HostName, Kind, Migrates};

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
    /// Go back to what each ran before a rollout that changed it.
    Undo(BTreeMap<HostName, Change>),
    /// Run what it runs; only its updater is replaced.
    UpdatersOnly,
}

/// What a rollout did to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What it ran before; none before its first release.
    pub from: Option<Digest>,
    /// What it runs since then, as far as that is known.
    pub to: Option<Digest>,
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
    /// Why, in the operator's words.
    pub message: Option<String>,
    /// Whether each host was asked for by its name: then one that is left out is a failure.
    pub by_name: bool,
    /// Whether hosts that go back each go to their own release before, wherever that is, also those that
    /// took their last one back by themselves.
    pub each: bool,
    /// Releases that are quarantined for the fleet: no host goes back to them by itself.
    pub quarantined: BTreeSet<Digest>,
}

impl Goal {
    /// `update` or `rollback`.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Push(_) | Self::Activate(_) | Self::UpdatersOnly => Kind::Update,
            Self::Back(_) | Self::Undo(_) => Kind::Rollback,
        }
    }

    /// The release that all hosts are to run; none for "what each ran before" and for "what it runs".
    pub fn target(&self) -> Option<Digest> {
        match self {
            Self::Push(archive) => Some(archive.digest),
            Self::Activate(digest) => Some(*digest),
            Self::Back(digest) => *digest,
            Self::Undo(_) | Self::UpdatersOnly => None,
        }
    }
}
