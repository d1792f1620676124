//! `history.jsonl`: every transaction that ended, and how; one line each.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use common::append_durably;
use protocol::{LastTransaction, TransactionId};

/// How much of the end of the file is looked at. A line has less than 2 KiB.
const TAIL_BYTES: u64 = 256 << 10;

/// The latest transactions, the newest last. Lines that cannot be read (a torn last one) are
/// passed over.
pub fn read_history(path: &Path) -> io::Result<Vec<LastTransaction>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut text = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut text)?;
    Ok(text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect())
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
