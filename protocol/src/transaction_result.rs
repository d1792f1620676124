//! How an order ended: the body of its answer.

use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;

use crate::{Code, Digest, ProbeKind, Problem, ReleaseSlot, Status, TransactionId};

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
    /// Which proof was used; absent if none held, and for a release without a process, whose files and whose
    /// probe's answer are all that there is.
    pub proof: Option<Proof>,
    /// How often it was asked.
    pub attempts: u32,
    /// What the last answer was.
    #[serde(serialize_with = "crate::detail::serialize")]
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
    /// What an operator may not expect of what was done, though it went well: that a lock file was not
    /// held to, or that a program had to be killed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
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
