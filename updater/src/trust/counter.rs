//! `counter.json`: the highest counter that was taken of an app's signed releases. It lies in the
//! state directory, beside the releases and not in one.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use common::{StateFileError, state_file};
use protocol::{FORMAT, Highest};
use serde::{Deserialize, Serialize};

/// Why the counter is not known, or could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum CounterError {
    /// What was kept cannot be read. Nothing new is taken then: how old it may be cannot be told.
    #[error(
        "read the highest counter in {path}: {fault}; put the file right, or remove it to take a \
         signed release of any counter",
        path = .0.path().display(),
        fault = .0.fault()
    )]
    Damaged(StateFileError),
    #[error("keep the highest counter")]
    Write(#[source] StateFileError),
    #[error("forget the highest counter")]
    Reset(#[source] io::Error),
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    #[serde(flatten)]
    highest: Highest,
}

/// The highest that was taken; `None` before the first signed release.
pub fn read_counter(path: &Path) -> Result<Option<Highest>, CounterError> {
    let stored: Option<Stored> = state_file::read(path, FORMAT).map_err(CounterError::Damaged)?;
    Ok(stored.map(|stored| stored.highest))
}

/// Keeps a counter, durably, unless a higher one was taken.
pub fn raise_counter(path: &Path, to: Highest) -> Result<(), CounterError> {
    if read_counter(path)?.is_some_and(|highest| highest.counter >= to.counter) {
        return Ok(());
    }
    let stored = Stored { format: FORMAT, highest: to };
    state_file::write_line(path, &stored).map_err(CounterError::Write)
}

/// Forgets the counter, durably: a signed release of any counter is taken next. What it was stays in
/// a file beside it. `None` if there was none.
pub fn reset_counter(path: &Path) -> Result<Option<Highest>, CounterError> {
    let highest = read_counter(path)?;
    if highest.is_some() {
        let kept = path.with_extension("before-reset.json");
        let failed = |source| CounterError::Reset(source);
        fs::rename(path, kept).map_err(failed)?;
        let directory = path.parent().unwrap_or(path);
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    }
    Ok(highest)
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
    fn a_counter_at_its_end_is_left_by_a_reset_and_by_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("counter.json");
        assert_eq!(reset_counter(&path).unwrap(), None);
        let highest = |counter| Highest { counter, digest: Digest::from_bytes([1; 32]) };
        raise_counter(&path, highest(u64::MAX)).unwrap();
        assert_eq!(reset_counter(&path).unwrap(), Some(highest(u64::MAX)));
        assert_eq!(read_counter(&path).unwrap(), None);
        let before = read_counter(&directory.path().join("counter.before-reset.json")).unwrap();
        assert_eq!(before, Some(highest(u64::MAX)));
        raise_counter(&path, highest(3)).unwrap();
        assert_eq!(read_counter(&path).unwrap(), Some(highest(3)));
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
