//! What the engine wants carried out.

use protocol::{Digest, HostName};

use crate::{HostResult, Notice};

/// Something for the driver to do. What comes of it is an [`Event`](crate::Event).
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Ask a host for its `/health`.
    Observe { host: HostName },
    /// Give a host its order, and follow it to its end.
    Order {
        host: HostName,
        order: HostOrder,
        /// Whether an earlier driver may have given it already: then the host is asked first what
        /// became of it.
        again: bool,
    },
    /// Have a host end what it does for its order, and take it back. What comes of it, the order's own
    /// result says.
    Stop { host: HostName },
    /// Ask a host once what became of an order that has taken too long: that is its result then.
    QueryOutcome {
        host: HostName,
        order: HostOrder,
        /// Whether the host is to end it first, and take it back.
        stop: bool,
    },
    /// Do not wait for a host any more.
    Abandon { host: HostName },
    /// Write it into the history, with what follows from it, show it and notify those who are to be
    /// told.
    Announce(Notice),
    /// Write down that a host was left out. There is nothing to tell.
    RecordSkipped(Box<HostResult>),
}

impl Command {
    /// Makes known what a host came to.
    pub(super) fn of_result(result: &HostResult) -> Self {
        match Notice::host_finished(result) {
            Some(notice) => Self::Announce(notice),
            None => Self::RecordSkipped(Box::new(result.clone())),
        }
    }
}

/// What one host is ordered to do. A host gets each kind of order at most once in a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostOrder {
    /// Run the release that was planned for it, and then its updater the one planned for that.
    Forward {
        /// The app's release, unless only the updater is to be replaced.
        to: Option<Digest>,
        updater: Option<Digest>,
    },
    /// Run again what it ran before this rollout.
    Back { to: Digest },
}
