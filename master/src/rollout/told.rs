//! What the hosts' tasks tell whoever records and shows it.

use protocol::{Digest, HostName, Phase};
use tokio::sync::mpsc;

use crate::rollout::Row;

/// Something that happened in a rollout.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    /// A host is about to be ordered to run this release.
    Ordered {
        /// Which host.
        host: HostName,
        /// The release.
        release: Digest,
    },
    /// A host's transaction entered a phase.
    Phase {
        /// Which host.
        host: HostName,
        /// The phase.
        phase: Phase,
        /// Why, where the phase alone does not say it.
        detail: Option<String>,
    },
    /// Bytes went to a host.
    Progress {
        /// Which host.
        host: HostName,
        /// So far.
        bytes: u64,
        /// In all.
        total: u64,
    },
    /// A host's updater is being replaced.
    Own {
        /// Which host.
        host: HostName,
    },
    /// A host is through.
    Done(Box<Row>),
}

/// The way there. A rollout does not stop because nobody listens any more.
#[derive(Clone)]
pub(super) struct Teller(mpsc::UnboundedSender<Told>);

impl Teller {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Told>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    pub(super) fn tell(&self, told: Told) {
        let _ = self.0.send(told);
    }

    pub(super) fn done(&self, row: Row) {
        self.tell(Told::Done(Box::new(row)));
    }
}
