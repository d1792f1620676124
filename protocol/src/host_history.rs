//! The body of `GET /history`: what was done to an app on its host.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{AppName, CallerKind, Code, Digest, LastTransaction, OperatorName, TransactionId};

/// `GET /history`. A master reads each entry by itself: a newer updater may have kinds of them that
/// this version does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostHistory<E = HostHistoryEntry> {
    /// The version of this format.
    pub format: u32,
    /// The app that it is about.
    pub app: AppName,
    /// The newest first.
    pub entries: Vec<E>,
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HostHistoryEntry {
    /// A transaction that ended.
    Transaction(Box<LastTransaction>),
    /// What is no transaction.
    Operation(Box<HostOperation>),
}

impl HostHistoryEntry {
    /// When it ended.
    pub const fn ended_at(&self) -> OffsetDateTime {
        match self {
            Self::Transaction(transaction) => transaction.ended_at,
            Self::Operation(operation) => operation.ended_at,
        }
    }

    /// What ordered it.
    pub const fn caller(&self) -> &CallerKind {
        match self {
            Self::Transaction(transaction) => &transaction.caller,
            Self::Operation(operation) => &operation.caller,
        }
    }
}

/// What an operator did on a host that is no transaction: a line of `operations.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostOperation {
    /// The version of this format.
    pub format: u32,
    /// Its name; no two lines have the same.
    pub id: Uuid,
    /// What was done.
    pub operation: OperationKind,
    /// The update that was ended by it, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
    /// The release that it concerned: what `active` named then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Digest>,
    /// That release's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What went wrong, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When it was done.
    #[serde(with = "time::serde::rfc3339")]
    pub ended_at: OffsetDateTime,
    /// What ordered it.
    pub caller: CallerKind,
    /// The operator, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<OperatorName>,
}

crate::words::words! {
    /// What an operator does on a host that is no transaction.
    OperationKind {
        /// Stopped the agent, and left it so.
        Stop,
        /// Started the agent.
        Start,
        /// Stopped the agent and started it.
        Restart,
        /// Ended an update that was under way, and had it take its release back.
        Rollback,
        /// Let the counter of signed releases begin anew.
        ResetCounter,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_is_told_apart_by_what_it_has() {
        let transaction = json!({
            "format": 1, "transaction": "0190a5c2-6f00-7000-8000-000000000000", "kind": "rollback",
            "outcome": "rolled_back", "from": null, "to": null, "target": null, "caller": "local",
            "started_at": "2026-01-02T03:04:05Z", "ended_at": "2026-01-02T03:04:06Z", "by": "ada",
        });
        let operation = json!({
            "format": 1, "id": "0190a5c2-6f00-7000-8000-000000000001", "operation": "stop",
            "ended_at": "2026-01-02T03:04:05Z", "caller": "local",
        });
        let history =
            json!({"format": 1, "app": "agent", "entries": [transaction, operation], "more": 1});
        let history: HostHistory = serde_json::from_value(history).unwrap();
        let [HostHistoryEntry::Transaction(first), HostHistoryEntry::Operation(second)] =
            &history.entries[..]
        else {
            panic!("{history:?}")
        };
        assert_eq!(first.by, Some("ada".parse().unwrap()));
        assert_eq!((&second.operation, &second.by), (&OperationKind::Stop, &None));
        assert_eq!(serde_json::to_value(second).unwrap(), operation);
    }
}
