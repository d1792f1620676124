//! What a rollout is asked to do.

use std::num::NonZeroUsize;

use protocol::{AppName, Digest, HostOutcome, Kind, OrderOptions};

use crate::store::RolloutId;
use crate::worker::Push;

/// What every host of a rollout is to come to.
#[derive(Debug, Clone)]
pub enum Goal {
    /// Run the release in this archive.
    Push(Push),
    /// Run a release that the host has already.
    Activate(Digest),
    /// Go back: to this release, or to the one before.
    Back(Option<Digest>),
}

/// A rollout, but for its hosts.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its name.
    pub id: RolloutId,
    /// The app.
    pub app: AppName,
    /// What the hosts are to come to.
    pub goal: Goal,
    /// How.
    pub options: OrderOptions,
    /// The updater's own archive, if the updaters are to be updated after the app.
    pub own: Option<Push>,
    /// How many hosts at once.
    pub parallel: NonZeroUsize,
    /// Whether each host was asked for by its name: then one that is left out is a failure.
    pub named: bool,
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
    pub const fn target(&self) -> Option<Digest> {
        match self {
            Self::Push(push) => Some(push.digest),
            Self::Activate(digest) => Some(*digest),
            Self::Back(digest) => *digest,
        }
    }

    /// Whether a host that came to this is where it was asked to be. In an update, a host that is
    /// back on its old release is not.
    pub const fn is_met_by(&self, outcome: HostOutcome) -> bool {
        match outcome {
            HostOutcome::Updated | HostOutcome::AlreadyCurrent => true,
            HostOutcome::RolledBack => matches!(self, Self::Back(_)),
            HostOutcome::Failed
            | HostOutcome::Unreachable
            | HostOutcome::Stranded
            | HostOutcome::Skipped => false,
        }
    }
}
