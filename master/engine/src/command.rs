//! What the engine wants carried out.

use protocol::{Digest, HostName};

use crate::{Gate, HostResult, Pause, Trip};

/// Something for the driver to do. What comes of it is an [`Event`](crate::Event).
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Ask a host for its `/health`.
    Observe { host: HostName },
    /// Put the release on a host's disk, and activate nothing.
    Stage { host: HostName },
    /// Give a host its order, and follow it to its end.
    Order {
        host: HostName,
        order: HostOrder,
        /// Whether an earlier driver may have given it already: then the host is asked first what
        /// became of it.
        again: bool,
    },
    /// Ask a host once what became of an order that has taken too long: that is its result then.
    QueryOutcome { host: HostName, order: HostOrder },
    /// Do not wait for a host any more.
    Abandon { host: HostName },
    /// Send the release to no host any more, until an operator forgives it.
    Quarantine { release: Digest, host: HostName, why: String },
    /// Write it into the history, show it and notify those who are to be told.
    Announce(Notice),
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

/// What operators are told of a rollout.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    AwaitingApproval {
        gate: Gate,
    },
    Approved {
        who: String,
        gate: Gate,
    },
    Started,
    BatchStarted {
        batch: usize,
    },
    BatchCompleted {
        batch: usize,
    },
    /// The breaker tripped.
    Tripped {
        trip: Trip,
        /// The hosts on which the release failed.
        hosts: Vec<HostName>,
    },
    Paused {
        pause: Pause,
    },
    Resumed {
        who: String,
    },
    RollingBack {
        /// The operator who asked for it; none if the policy did.
        who: Option<String>,
    },
    /// A host was updated, failed, was left out, or was taken back.
    HostFinished(Box<HostResult>),
    /// Every host has its result.
    Ended,
    /// The rollout was ended before that.
    Aborted {
        why: String,
    },
    /// Every host that it had updated was taken back.
    RolledBack,
}
