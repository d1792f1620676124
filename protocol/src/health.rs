//! The body of `GET /health`. Times are RFC 3339 in UTC, here and in all other bodies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    AgentDeath, AgentState, AppName, Digest, DrillReport, HostName, LastProbe, LastTransaction,
    Period, Phase, TransactionId, UpdaterState,
};

/// `GET /health`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The version of this format.
    pub format: u32,
    /// How the updater itself is.
    pub status: UpdaterState,
    /// The host's name, from its certificate.
    pub host: HostName,
    /// The updater's version.
    pub version: String,
    /// The digest of the release that the updater itself runs from.
    pub digest: Digest,
    /// The sender's label of that release, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// Seconds since it was started.
    pub uptime_seconds: u64,
    /// The highest epoch of a master that it has seen.
    pub epoch: u64,
    /// The longest watch that an order may ask for; absent from an older updater.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_watch: Option<Period>,
    /// The last drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillReport>,
    /// What an operator should know of the host beside its apps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Its apps.
    pub apps: BTreeMap<AppName, AppHealth>,
}

/// One app in `GET /health`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppHealth {
    /// Where its transaction stands; `idle` if there is none.
    pub state: Phase,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// The transaction that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
    /// Where a rollback takes it at once: what ran before the update that is under way, while its release is
    /// probed and watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes_to: Option<Digest>,
    /// Whether its program is well: false while its agent should run and does not, or dies again and
    /// again, while its own probe fails, and where no release could be proven.
    pub healthy: bool,
    /// Why it is not, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What its agent is doing.
    pub agent: AgentState,
    /// Since when it is stopped on purpose, if it is.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub stopped_since: Option<OffsetDateTime>,
    /// The agent's process, if it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The last answer to its own probe; absent if it was not asked yet, or there is nothing to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<LastProbe>,
    /// What its agent last died of, outside of transactions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub died: Option<AgentDeath>,
    /// Whether no release could be proven here, and none was since.
    #[serde(default, skip_serializing_if = "crate::order::is_false")]
    pub stranded: bool,
    /// How many bytes an archive may have, by what is free on the disk beyond the reserve; absent if
    /// the disk does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<u64>,
    /// How long it watches a new release, unless an order asks for longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Period>,
    /// Whether the host says how releases are started. Where it does not, each has to say it. Absent if the
    /// host does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_run_command: Option<bool>,
    /// The release that `active` names.
    pub active: Option<ActiveRelease>,
    /// How the last transaction ended.
    pub last: Option<LastTransaction>,
    /// What an operator should know: a damaged record, a stranded host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Why a start of a stopped agent would be refused, where it would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_refused: Option<String>,
}

/// The release that runs, in `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveRelease {
    /// Its digest.
    pub digest: Digest,
    /// Its version, if it says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The sender's label, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// Its directory.
    pub path: String,
}
