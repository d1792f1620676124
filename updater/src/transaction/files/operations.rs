//! `operations.jsonl`: what an operator on the host did that is no transaction; one line each, the last
//! few hundred of them.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use common::{append_durably, write_durably};
use protocol::HostOperation;

use super::lines::{TAIL_BYTES, read_lines};

/// Lines that are left where there are too many.
const KEPT: usize = 200;

/// Lines at most.
const MOST: usize = 2 * KEPT;

/// The file of one app.
#[derive(Debug)]
pub struct Operations {
    path: PathBuf,
    /// Of two that are added at once, neither must be lost while the file is cut.
    writing: Mutex<()>,
}

impl Operations {
    /// The file at `path`, which need not be there yet.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, writing: Mutex::new(()) }
    }

    /// The latest operations, the newest last.
    pub fn read(&self) -> io::Result<Vec<HostOperation>> {
        read_lines(&self.path)
    }

    /// Adds one, durably. The oldest give way.
    pub fn add(&self, operation: &HostOperation) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        append_durably(&self.path, &serde_json::to_string(operation)?)?;
        let lines = self.read()?;
        if lines.len() <= MOST && self.path.metadata()?.len() <= TAIL_BYTES {
            return Ok(());
        }
        let mut text = Vec::new();
        for line in &lines[lines.len().saturating_sub(KEPT)..] {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
        }
        write_durably(&self.path, &text)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use protocol::{CallerKind, FORMAT, OperationKind};
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    fn operation(detail: &str) -> HostOperation {
        HostOperation {
            format: FORMAT,
            id: Uuid::now_v7(),
            operation: OperationKind::Stop,
            transaction: None,
            release: None,
            version: None,
            code: None,
            detail: Some(detail.to_owned()),
            ended_at: OffsetDateTime::UNIX_EPOCH,
            caller: CallerKind::Local,
            by: None,
        }
    }

    #[test]
    fn a_torn_line_is_passed_over_and_what_is_added_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let operations = Operations::new(directory.path().join("operations.jsonl"));
        assert!(operations.read().unwrap().is_empty());
        fs::write(directory.path().join("operations.jsonl"), "{\"format\":1,\"oper").unwrap();
        let added = operation("one");
        operations.add(&added).unwrap();
        assert_eq!(operations.read().unwrap(), [added]);
    }

    #[test]
    fn the_oldest_give_way_to_the_newest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("operations.jsonl");
        let line = serde_json::to_string(&operation("old")).unwrap() + "\n";
        fs::write(&path, line.repeat(MOST)).unwrap();
        let operations = Operations::new(path.clone());
        let added = operation("new");
        operations.add(&added).unwrap();
        let left = operations.read().unwrap();
        assert_eq!((left.len(), left.last()), (KEPT, Some(&added)));

        // Also where a few lines are long.
        let long = serde_json::to_string(&operation(&"x".repeat(100 << 10))).unwrap() + "\n";
        fs::write(&path, long.repeat(3)).unwrap();
        operations.add(&added).unwrap();
        assert!(path.metadata().unwrap().len() <= TAIL_BYTES);
        assert_eq!(operations.read().unwrap().last(), Some(&added));
    }
}
