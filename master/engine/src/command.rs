//! What is to be carried out.

use protocol::{Digest, HostName};
use serde::Serialize;

use crate::{Gate, Pause, Row, Trip};

/// Something to do. What comes of it is an [`Event`](crate::Event).
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Ask a host how it is.
    Look { host: HostName },
    /// Put the release on a host's disk, and activate nothing.
    Stage { host: HostName },
    /// Give a host its order, and follow it to its end.
    Order {
        host: HostName,
        order: HostOrder,
        /// Whether it may have been given already, by a driver that is gone: then the host is
        /// asked first what became of it.
        again: bool,
    },
    /// Ask a host once what became of its order, which has taken too long: that is its row then.
    Ask {
        host: HostName,
        /// What it was ordered.
        order: HostOrder,
    },
    /// Do not wait for a host any more.
    Abandon { host: HostName },
    /// The release failed: nobody is to send it anywhere, until it is forgiven.
    Quarantine { release: Digest, host: HostName, why: String },
    /// Let it be known.
    Tell(Notice),
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

/// What anybody may want to know.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// It waits for somebody to agree.
    AwaitsApproval {
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
    /// A batch is through.
    BatchCompleted {
        batch: usize,
    },
    /// Too many hosts failed.
    Tripped {
        trip: Trip,
        /// The hosts on which the release failed.
        hosts: Vec<HostName>,
    },
    /// It waits for somebody's answer.
    Paused {
        pause: Pause,
    },
    Resumed {
        who: String,
    },
    /// It takes back what it did.
    RollingBack {
        /// Who asked for it; the policy, if nobody.
        who: Option<String>,
    },
    /// A host came to its end, or was taken back.
    Host(Box<Row>),
    /// Every host came to its end.
    Ended,
    /// It was ended before that.
    Aborted {
        /// Who did, and why.
        why: String,
    },
    /// What it did was taken back, as far as that could be done.
    RolledBack,
}
