//! `counter.json`: the highest counter that was taken of an app's signed releases. It lies in the
//! state directory, beside the releases and not in one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use protocol::{FORMAT, Highest};
use serde::{Deserialize, Serialize};

use crate::sys::write_durably;

/// Why the counter is not known, or could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum CounterError {
    /// What was kept cannot be read. Nothing new is taken then: how old it may be cannot be told.
    #[error(
        "read the highest counter in {path}: {why}; put the file right, or remove it to take a \
         signed release of any counter",
        path = path.display()
    )]
    Damaged {
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    #[error("keep the highest counter in {path}", path = path.display())]
    Write { path: PathBuf, source: io::Error },
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    #[serde(flatten)]
    highest: Highest,
}

/// The highest that was taken; `None` before the first signed release.
pub fn read_counter(path: &Path) -> Result<Option<Highest>, CounterError> {
    let damaged = |why: String| CounterError::Damaged { path: path.to_owned(), why };
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(damaged(error.to_string())),
    };
    let stored: Stored =
        serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if stored.format > FORMAT {
        let found = stored.format;
        return Err(damaged(format!("it has format {found}, this updater knows {FORMAT}")));
    }
    Ok(Some(stored.highest))
}

/// Keeps a counter, durably, unless a higher one was taken.
pub fn raise_counter(path: &Path, to: Highest) -> Result<(), CounterError> {
    if read_counter(path)?.is_some_and(|highest| highest.counter >= to.counter) {
        return Ok(());
    }
    let write = |source| CounterError::Write { path: path.to_owned(), source };
    let text = serde_json::to_vec(&Stored { format: FORMAT, highest: to })
        .map_err(|error| write(error.into()))?;
    write_durably(path, &text).map_err(write)
}

#[cfg(test)]
mod tests {
    use protocol::Digest;

    use super::*;

    #[test]
    fn a_counter_only_grows_and_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("counter.json");
        assert_eq!(read_counter(&path).unwrap(), None);
        let highest = |counter| Highest { counter, digest: Digest::from_bytes([1; 32]) };
        for (counter, kept) in [(3, 3), (5, 5), (4, 5)] {
            raise_counter(&path, highest(counter)).unwrap();
            assert_eq!(read_counter(&path).unwrap(), Some(highest(kept)));
        }
        let version_1 =
            format!(r#"{{"format":1,"counter":7,"digest":"sha256:{}"}}"#, "01".repeat(32));
        fs::write(&path, version_1).unwrap();
        assert_eq!(read_counter(&path).unwrap(), Some(highest(7)));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_counter_of_zero() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("counter.json");
        let highest = Highest { counter: 9, digest: Digest::from_bytes([1; 32]) };
        for text in ["", "{}", r#"{"format": 99, "counter": 1, "digest": "x"}"#] {
            fs::write(&path, text).unwrap();
            assert!(matches!(read_counter(&path), Err(CounterError::Damaged { .. })), "{text}");
            assert!(raise_counter(&path, highest).is_err());
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
