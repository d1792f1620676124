//! A transaction that ended, as the history and `GET /health` tell it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{CallerKind, Code, Digest, Kind, OperatorName, Outcome, TransactionId};

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
    #[serde(
        default,
        serialize_with = "crate::detail::serialize_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub detail: Option<String>,
    /// Whether it failed after the switch for the host's own fault, and the release is not to blame.
    #[serde(default, skip_serializing_if = "crate::order::is_false")]
    pub host_fault: bool,
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
    /// The operator on the host who ordered it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<OperatorName>,
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
