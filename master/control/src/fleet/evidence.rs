//! What a host has kept of a failure: which one is meant, and what it has of it.

use engine::ResultCode;
use explain::Explain;
use protocol::{
    AppName, Code, HostHistoryEntry, HostName, LastTransaction, SHORTEST_ID, TransactionId,
};
use serde_json::Value;

use crate::fleet::host_log::whole_history;
use crate::updater_client::{ClientError, UpdaterClient};

/// Transactions that are named in an error.
const NAMED: usize = 5;

/// What a host has kept of one failure.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptEvidence {
    pub app: AppName,
    /// How the transaction ended.
    pub ended: LastTransaction,
    /// `GET /evidence/{transaction}`, as the host has it.
    pub document: Value,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    #[error("ask {host} what it has kept")]
    Client { host: HostName, source: ClientError },
    #[error("find a failed update on {0}: none is in its history")]
    NoFailure(HostName),
    #[error("find the transaction {name} on {host}")]
    Unknown { host: HostName, name: String, known: Vec<String> },
    #[error("name one transaction by {name}: {} begin so", .known.join(", "))]
    Several { name: String, known: Vec<String> },
    #[error("name a transaction by fewer than {SHORTEST_ID} characters")]
    Short,
    #[error("find what {host} kept of {transaction}: it did not fail, or is too long ago")]
    NotKept { host: HostName, transaction: TransactionId },
}

impl Explain for EvidenceError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { known, .. } if !known.is_empty() => {
                Some(format!("those that failed: {}", known.join(", ")))
            }
            Self::NoFailure(host) | Self::NotKept { host, .. } => Some(format!(
                "what was done there: swarm log {host}; what its program printed before it died: swarm logs {host} --previous"
            )),
            _ => None,
        }
    }
}

/// Asks for what was kept of the transaction of this name, or the beginning or the end of it; of the last one
/// that failed, where none is named.
pub async fn evidence(
    host: &HostName,
    client: Result<UpdaterClient, ClientError>,
    name: Option<&str>,
) -> Result<KeptEvidence, EvidenceError> {
    let failed = |source| EvidenceError::Client { host: host.clone(), source };
    let client = client.map_err(failed)?;
    let history = whole_history(&client).await.map_err(failed)?;
    let of_transaction = |(app, entry)| match entry {
        HostHistoryEntry::Transaction(line) => Some((app, *line)),
        HostHistoryEntry::Operation(_) => None,
    };
    let mut transactions: Vec<_> = history.into_iter().filter_map(of_transaction).collect();
    transactions.sort_by_key(|(_, line)| std::cmp::Reverse(line.ended_at));
    let (app, ended) = chosen(host, transactions, name)?;
    let document = client.evidence_document(&ended.transaction).await;
    let document = document.map_err(|error| match error {
        ClientError::Refused {
            code: Some(ResultCode::Updater(Code::UnknownTransaction)), ..
        } => EvidenceError::NotKept { host: host.clone(), transaction: ended.transaction.clone() },
        error => failed(error),
    })?;
    Ok(KeptEvidence { app, ended, document })
}

/// The transaction that is meant, of those that are there, the newest first.
fn chosen(
    host: &HostName,
    mut transactions: Vec<(AppName, LastTransaction)>,
    name: Option<&str>,
) -> Result<(AppName, LastTransaction), EvidenceError> {
    let has_failed = |line: &LastTransaction| line.code.is_some();
    let Some(name) = name else {
        let failed = transactions.into_iter().find(|(_, line)| has_failed(line));
        return failed.ok_or_else(|| EvidenceError::NoFailure(host.clone()));
    };
    if name.chars().count() < SHORTEST_ID {
        return Err(EvidenceError::Short);
    }
    let word = |(_, line): &(AppName, LastTransaction)| line.transaction.to_string();
    let is_it = |id: &str| id.starts_with(name) || id.ends_with(name);
    let (mut found, others): (Vec<_>, Vec<_>) =
        transactions.drain(..).partition(|entry| is_it(&word(entry)));
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            let failed = others.iter().filter(|(_, line)| has_failed(line));
            let known = failed.map(word).take(NAMED).collect();
            Err(EvidenceError::Unknown { host: host.clone(), name: name.to_owned(), known })
        }
        _ => {
            let known = found.iter().map(word).take(NAMED).collect();
            Err(EvidenceError::Several { name: name.to_owned(), known })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn transaction(number: u8, code: Option<&str>) -> (AppName, LastTransaction) {
        let line = json!({
            "format": 1, "transaction": format!("0190a5c2-6f00-7000-8000-0000000000{number:02}"),
            "kind": "update", "outcome": "rolled_back", "code": code, "from": null, "to": null,
            "target": null, "caller": "master", "started_at": "2026-01-02T03:04:05Z",
            "ended_at": "2026-01-02T03:04:05Z",
        });
        ("agent".parse().unwrap(), serde_json::from_value(line).unwrap())
    }

    #[test]
    fn the_last_failure_is_meant_unless_one_is_named() {
        let host = "web-1".parse().unwrap();
        let (good, bad, older) = (
            transaction(13, None),
            transaction(12, Some("rolled_back")),
            transaction(11, Some("no_space")),
        );
        let all = || vec![good.clone(), bad.clone(), older.clone()];
        assert_eq!(chosen(&host, all(), None).unwrap(), bad);
        assert_eq!(chosen(&host, all(), Some("0011")).unwrap(), older);
        assert_eq!(chosen(&host, all(), Some(bad.1.transaction.as_str())).unwrap(), bad);
        let several = chosen(&host, all(), Some("0190a5c2")).unwrap_err();
        assert!(matches!(several, EvidenceError::Several { known, .. } if known.len() == 3));
        let unknown = chosen(&host, all(), Some("beef")).unwrap_err();
        assert!(unknown.hint().unwrap().contains("000012, 0190"), "{:?}", unknown.hint());
        assert!(matches!(chosen(&host, all(), Some("1")), Err(EvidenceError::Short)));
        let none = chosen(&host, vec![good.clone()], None).unwrap_err();
        assert!(matches!(none, EvidenceError::NoFailure(_)));
    }
}
