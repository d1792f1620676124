//! Bodies of the updater's HTTP API. JSON is `snake_case`, times are RFC 3339 in UTC.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;

use crate::{
    AgentDeath, AgentState, AppName, CallerKind, Code, Digest, DrillReport, HostName, Kind,
    LastProbe, Outcome, Phase, ProbeKind, Problem, ReleaseSlot, Status, TransactionId,
    UpdaterState,
};

/// Names of headers that are ours.
pub mod header {
    /// The master's epoch: a number that only grows.
    pub const EPOCH: &str = "swarm-epoch";
    /// The order's own name, chosen by the caller; it comes back in `last` and in the history, so
    /// that a caller who lost the answer finds it again.
    pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
    /// With `GET /health`: ask the apps' own probes anew first, and wait for so long at most (`8s`).
    pub const PROBE: &str = "swarm-probe";
    /// The transaction that an answer is about.
    pub const TRANSACTION: &str = "swarm-transaction";
    /// The archive's digest (RFC 9530).
    pub const CONTENT_DIGEST: &str = "content-digest";
    /// The archive's signed manifest, in base64.
    pub const MANIFEST: &str = "swarm-manifest";
    /// The signature of that manifest, in base64.
    pub const SIGNATURE: &str = "swarm-signature";
    /// The media type of a stream of events.
    pub const NDJSON: &str = "application/x-ndjson";
    /// The media type of a problem (RFC 9457).
    pub const PROBLEM_JSON: &str = "application/problem+json";
}

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
    pub longest_watch: Option<crate::Period>,
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
    /// Whether its program is well: false while its agent should run and does not, or dies again and
    /// again, while its own probe fails, and where no release could be proven.
    pub healthy: bool,
    /// Why it is not, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What its agent is doing.
    pub agent: AgentState,
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
    #[serde(default, skip_serializing_if = "is_false")]
    pub stranded: bool,
    /// How many bytes an archive may have, by what is free on the disk beyond the reserve; absent if
    /// the disk does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<u64>,
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

/// A transaction that ended: a line of `history.jsonl`, and `last` in `GET /health`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastTransaction {
    /// The version of this format.
    pub format: u32,
    /// Its name; no two lines of a history have the same.
    pub transaction: TransactionId,
    /// What it was for.
    pub kind: Kind,
    /// How it ended.
    pub outcome: Outcome,
    /// What went wrong, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The release before.
    pub from: Option<Digest>,
    /// The release after: what `active` names now.
    pub to: Option<Digest>,
    /// The release that was asked for.
    pub target: Option<Digest>,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339")]
    pub ended_at: OffsetDateTime,
    /// The master's epoch, if the order carried one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The name that the caller gave the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// What ordered it.
    pub caller: CallerKind,
}

impl LastTransaction {
    /// How it ended, for people. What failed before its switch has no outcome of its own on the wire: it
    /// is `interrupted` there, with the code of what failed.
    pub fn ended(&self) -> &'static str {
        ended(self.outcome, self.code.as_ref())
    }
}

/// How a transaction ended, for people.
pub fn ended(outcome: Outcome, code: Option<&Code>) -> &'static str {
    match (outcome, code) {
        (Outcome::Interrupted, Some(code)) if *code != Code::Interrupted => "failed",
        _ => outcome.into_str(),
    }
}

/// `GET /releases`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Releases {
    /// The version of this format.
    pub format: u32,
    /// By app.
    pub apps: BTreeMap<AppName, AppReleases>,
}

/// One app in `GET /releases`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppReleases {
    /// What `active` names.
    pub active: Option<Digest>,
    /// What `prev` names: where a plain rollback goes.
    pub prev: Option<Digest>,
    /// Every release on the disk, the newest first.
    pub releases: Vec<Release>,
}

/// What is known of a release on its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseState {
    /// On the disk, never switched to.
    Staged,
    /// Proven here at least once.
    Proven,
    /// Switched to, and could not be proven. Quarantined.
    Failed,
}

/// One release in `GET /releases`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its digest.
    pub digest: Digest,
    /// What is known of it.
    pub state: ReleaseState,
    /// The name in its `release.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The sender's label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    /// When it was whole on the disk; absent if its record is damaged.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub installed_at: Option<OffsetDateTime>,
    /// When it was last proven.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub proven_at: Option<OffsetDateTime>,
    /// When it last failed.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub failed_at: Option<OffsetDateTime>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Whether an order for it is refused.
    pub quarantined: bool,
    /// Its directory.
    pub path: String,
}

/// The JSON body of `POST /update`: activates a release that is staged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateOrder {
    /// Which one.
    pub digest: Digest,
    /// How it is to be done. The same keys are query parameters where the body is an archive.
    #[serde(flatten)]
    pub options: OrderOptions,
}

/// How an order is to be carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the order")]
pub struct OrderOptions {
    /// Do it again, though this digest runs.
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
    /// Take a release that failed here before.
    #[serde(skip_serializing_if = "is_false")]
    pub retry_quarantined: bool,
    /// Ask the master to reach the updater on a new connection before it is done.
    #[serde(skip_serializing_if = "is_false")]
    pub confirm: bool,
    /// Go back even over a migration that cannot be undone.
    #[serde(skip_serializing_if = "is_false")]
    pub irreversible: bool,
    /// A watch longer than the host's own; a shorter one is not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<crate::Period>,
}

/// The JSON body of `POST /rollback`; an empty body means `prev`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RollbackOrder {
    /// Which release; absent for `prev`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// How it is to be done.
    #[serde(flatten)]
    pub options: OrderOptions,
}

/// Which of the two proofs was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The answer carried the release's digest or its path.
    Echo,
    /// The process that answered is one that the runner started after the switch.
    Process,
}

/// How a release was proven, or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Whether it was.
    pub passed: bool,
    /// What was asked.
    pub kind: ProbeKind,
    /// Which proof was used; absent if none held.
    pub proof: Option<Proof>,
    /// How often it was asked.
    pub attempts: u32,
    /// What the last answer was.
    pub detail: String,
}

/// The release in an answer, in the shape that clients of the reference updater read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRelease {
    /// Where it is.
    pub slot: ReleaseSlot,
    /// The sender's label, if there was one.
    pub sha: Option<String>,
    /// Its digest.
    pub digest: Digest,
    /// Its version, if it says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When it was whole on the disk.
    #[serde(with = "time::serde::rfc3339::option")]
    pub installed_at: Option<OffsetDateTime>,
    /// Its directory.
    pub path: String,
}

/// How an order ended: the body of a successful answer, and the last line of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransactionResult {
    /// What became of it.
    pub status: Status,
    /// What went wrong, if something did; null on success.
    pub code: Option<Code>,
    /// Which transaction it was; absent if the order never became one, and in an event, which says
    /// it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
    /// The release that the order left active (or staged).
    pub release: Option<SlotRelease>,
    /// The release before.
    pub from: Option<Digest>,
    /// The release after: what `active` names now.
    pub to: Option<Digest>,
    /// The release that was ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Digest>,
    /// How it was proven.
    #[serde(default, deserialize_with = "probe_report")]
    pub probe: Option<ProbeReport>,
    /// From the first byte to the end, in milliseconds.
    pub duration_ms: u64,
    /// The whole problem, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// In answers by the older form it is a text, which says nothing else than `status` does.
fn probe_report<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<ProbeReport>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Report(ProbeReport),
        Text(#[expect(dead_code, reason = "only that it is one counts")] String),
    }
    Ok(match Option::deserialize(reader)? {
        Some(Form::Report(report)) => Some(report),
        Some(Form::Text(_)) | None => None,
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn an_order_is_read_with_its_options() {
        let text = format!(r#"{{"digest": "sha256:{HEX}", "force": true, "watch": "2m"}}"#);
        let order: UpdateOrder = serde_json::from_str(&text).unwrap();
        assert!(order.options.force && !order.options.confirm);
        assert_eq!(order.options.watch.unwrap().to_string(), "2m");
        assert_eq!(serde_json::from_str::<RollbackOrder>("{}").unwrap(), RollbackOrder::default());
    }

    #[test]
    fn an_option_that_is_mistyped_is_an_error_and_not_ignored() {
        let text = format!(r#"{{"digest": "sha256:{HEX}", "froce": true}}"#);
        assert!(serde_json::from_str::<UpdateOrder>(&text).is_err());
        let text = format!(r#"{{"digset": "sha256:{HEX}"}}"#);
        assert!(serde_json::from_str::<RollbackOrder>(&text).is_err());
    }
}
