//! `history.jsonl`: every transaction that ended, and how; one line each.

use std::io;
use std::path::Path;

use common::append_durably;
use protocol::{LastTransaction, TransactionId};

use super::lines::read_lines;

/// The latest transactions, the newest last.
pub fn read_history(path: &Path) -> io::Result<Vec<LastTransaction>> {
    read_lines(path)
}

/// Whether a transaction is in the history already: a crash may come between its line and the end
/// of its journal.
pub fn has_line(path: &Path, transaction: &TransactionId) -> io::Result<bool> {
    Ok(read_history(path)?.iter().any(|line| line.transaction == *transaction))
}

/// Adds a line, durably, unless the transaction has one.
pub fn add_line(path: &Path, line: &LastTransaction) -> io::Result<()> {
    if has_line(path, &line.transaction)? {
        return Ok(());
    }
    append_durably(path, &serde_json::to_string(line)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LINE: &str = r#"{"format":1,"transaction":"0190a5c2-6f00-7000-8000-000000000000","kind":"update","outcome":"updated","from":null,"to":null,"target":null,"started_at":"2026-01-02T03:04:05Z","ended_at":"2026-01-02T03:04:06Z","caller":"master"}"#;

    #[test]
    fn a_transaction_has_one_line_and_a_torn_one_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.jsonl");
        assert!(read_history(&path).unwrap().is_empty());
        fs::write(&path, "{\"format\":1,\"tran").unwrap();
        let line: LastTransaction = serde_json::from_str(LINE).unwrap();
        add_line(&path, &line).unwrap();
        add_line(&path, &line).unwrap();
        assert_eq!(read_history(&path).unwrap(), [line]);
    }
}
