//! What a running transaction says: one event a line (NDJSON), or as server-sent events.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{AppName, Kind, Phase, TransactionId, TransactionResult};

/// One thing that happened on an updater.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Grows by one with every event of an updater; the `id` of a server-sent event. It starts
    /// from the clock's microseconds, so that it also grows across a restart.
    pub id: u64,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// Which app it is about.
    pub app: AppName,
    /// Which transaction it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The kinds of events, told apart by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// The transaction entered a phase.
    Phase {
        /// The phase.
        phase: Phase,
        /// What the transaction is for.
        kind: Kind,
        /// Why, where the phase alone does not say it: the reason of a reversal.
        #[serde(
            default,
            serialize_with = "crate::detail::serialize_option",
            skip_serializing_if = "Option::is_none"
        )]
        detail: Option<String>,
    },
    /// Bytes of the archive that have been taken so far.
    Progress {
        /// Archive bytes taken.
        bytes: u64,
        /// Archive bytes in all, where the sender said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
        /// Entries written.
        entries: u64,
    },
    /// A hook of the release, or a command of its migration, was run.
    Command {
        /// Its key in `release.toml`: `before_switch`, `up`.
        name: String,
        /// Whether it succeeded.
        passed: bool,
        /// How it ended.
        #[serde(serialize_with = "crate::detail::serialize")]
        detail: String,
    },
    /// One answer to the probe.
    Probe {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// Whether it proved the release.
        passed: bool,
        /// What was seen.
        #[serde(serialize_with = "crate::detail::serialize")]
        detail: String,
    },
    /// The agent was started, stopped or found dead outside of a transaction.
    Agent {
        /// What happened to it.
        #[serde(serialize_with = "crate::detail::serialize")]
        detail: String,
    },
    /// The transaction ended; always the last line of its stream.
    Result(Box<TransactionResult>),
}
