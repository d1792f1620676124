//! What was done to an app on its host: the transactions that ended, and what an operator did besides.

use std::io;

use common::chain;
use protocol::{
    CallerKind, FORMAT, HostHistoryEntry, HostOperation, LastTransaction, OperationKind,
    OperatorName, TransactionId,
};
use uuid::Uuid;

use super::{App, Failure, read_history};
use crate::release::Slot;
use crate::sys::wall_clock;

/// Entries that are told at most.
const MOST_ENTRIES: usize = 200;

/// Characters that are kept of why an operation failed, or of what had to be killed.
const DETAIL_CHARACTERS: usize = 500;

impl App {
    /// What was done, the newest first.
    pub fn history(&self) -> io::Result<Vec<HostHistoryEntry>> {
        let transactions = read_history(&self.settings.files.history())?;
        Ok(newest_first(transactions, self.operations.read()?))
    }

    /// Who has stopped the program last, where that is known.
    pub(super) fn stopped_by(&self) -> Option<OperatorName> {
        let operations = self.operations.read().ok()?;
        let stop =
            operations.into_iter().rev().find(|done| done.operation == OperationKind::Stop)?;
        stop.by
    }

    /// Keeps what an operator on the host did. It was done: a disk that does not take the line does not
    /// change that. `done` is what is to be known of it besides, or why it failed.
    pub(super) fn keep_operation(
        &self,
        operation: OperationKind,
        by: Option<OperatorName>,
        transaction: Option<TransactionId>,
        done: Result<Option<&str>, &Failure>,
    ) {
        let settings = &self.settings;
        let active = settings.layout.slot(Slot::Active).ok().flatten();
        let active = active.map(|digest| settings.active_release(digest, &mut Vec::new()));
        let problem = done.err().map(|failure| &failure.problem);
        let detail = done.unwrap_or_else(|failure| Some(&failure.problem.detail));
        let line = HostOperation {
            format: FORMAT,
            id: Uuid::now_v7(),
            operation,
            transaction,
            release: active.as_ref().map(|active| active.digest),
            version: active.and_then(|active| active.version),
            code: problem.map(|problem| problem.code.clone()),
            detail: detail.map(|text| text.chars().take(DETAIL_CHARACTERS).collect()),
            ended_at: wall_clock(),
            caller: CallerKind::Local,
            by,
        };
        if let Err(error) = self.operations.add(&line) {
            let (app, operation) = (&self.settings.name, &line.operation);
            tracing::warn!(
                %app,
                "{app}: that an operator said {operation} could not be kept for the log: {}",
                chain(&error)
            );
        }
    }
}

fn newest_first(
    transactions: Vec<LastTransaction>,
    operations: Vec<HostOperation>,
) -> Vec<HostHistoryEntry> {
    let transactions =
        transactions.into_iter().map(|line| HostHistoryEntry::Transaction(Box::new(line)));
    let operations = operations.into_iter().map(|line| HostHistoryEntry::Operation(Box::new(line)));
    let mut entries: Vec<_> = transactions.chain(operations).collect();
    // Of the same moment, the one that was written last comes first too.
    entries.reverse();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.ended_at()));
    entries.truncate(MOST_ENTRIES);
    entries
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn transaction(minute: u8) -> LastTransaction {
        serde_json::from_value(json!({
            "format": 1, "transaction": Uuid::now_v7(), "kind": "update", "outcome": "updated",
            "from": null, "to": null, "target": null, "started_at": "2026-01-02T03:00:00Z",
            "ended_at": format!("2026-01-02T03:{minute:02}:00Z"), "caller": "master",
        }))
        .unwrap()
    }

    fn operation(minute: u8) -> HostOperation {
        serde_json::from_value(json!({
            "format": 1, "id": Uuid::now_v7(), "operation": "start", "caller": "local",
            "ended_at": format!("2026-01-02T03:{minute:02}:00Z"),
        }))
        .unwrap()
    }

    #[test]
    fn both_files_are_one_history_with_the_newest_first() {
        let (one, two, three) = (transaction(1), operation(2), transaction(3));
        let entries = newest_first(vec![one.clone(), three.clone()], vec![two.clone()]);
        let [first, second, third] = [
            HostHistoryEntry::Transaction(Box::new(three)),
            HostHistoryEntry::Operation(Box::new(two)),
            HostHistoryEntry::Transaction(Box::new(one)),
        ];
        assert_eq!(entries, [first, second, third]);
        let many = newest_first(vec![transaction(1)], vec![operation(2); MOST_ENTRIES]);
        assert!(many.len() == MOST_ENTRIES && !many.contains(&entries[2]));
    }
}
