//! The highest epoch of a master that was seen. A master that was replaced has a lower one, and is
//! refused.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use common::{StateFileError, state_file};
use protocol::FORMAT;
use serde::{Deserialize, Serialize};

/// The highest epoch, in memory and on the disk.
#[derive(Debug)]
pub struct Epoch {
    path: PathBuf,
    highest: AtomicU64,
    /// One change at a time. Reading never waits for the disk.
    changing: Mutex<()>,
    /// The file could not be read. No order is taken until it can: who the master is cannot be
    /// told. Everything else goes on.
    damaged: AtomicBool,
}

/// Why an epoch was not taken.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    /// A newer master has taken over.
    #[error("take an order of epoch {given}: a master of epoch {highest} was here")]
    Stale {
        given: u64,
        /// The highest that was seen.
        highest: u64,
    },
    /// What was kept cannot be read.
    #[error(
        "read the master's epoch in {path}: {fault}; put the file right, or remove it to take the \
         next master's epoch",
        path = .0.path().display(),
        fault = .0.fault()
    )]
    Damaged(StateFileError),
    #[error("keep the epoch")]
    Write(#[source] StateFileError),
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    highest: u64,
}

impl Epoch {
    /// Reads it from the state directory. A file that cannot be read keeps nobody from starting:
    /// an updater that does not answer could not say what is wrong.
    pub fn open(state_dir: &Path) -> Self {
        let path = state_dir.join("epoch.json");
        let (highest, damaged) = read(&path).map_or((0, true), |highest| (highest, false));
        let (highest, damaged) = (AtomicU64::new(highest), AtomicBool::new(damaged));
        Self { path, highest, changing: Mutex::new(()), damaged }
    }

    /// Why no order can be taken, if the file could not be read and still cannot.
    pub fn check(&self) -> Result<(), EpochError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.damaged.load(Ordering::SeqCst) {
            let highest = read(&self.path).map_err(EpochError::Damaged)?;
            self.highest.store(highest, Ordering::SeqCst);
            self.damaged.store(false, Ordering::SeqCst);
        }
        Ok(())
    }

    /// The highest that was seen.
    pub fn highest(&self) -> u64 {
        self.highest.load(Ordering::SeqCst)
    }

    /// Takes an order's epoch, and keeps it before the order is carried out.
    pub fn accept(&self, given: u64) -> Result<(), EpochError> {
        self.check()?;
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let highest = self.highest();
        if given < highest {
            return Err(EpochError::Stale { given, highest });
        }
        if given > highest {
            let stored = Stored { format: FORMAT, highest: given };
            state_file::write_line(&self.path, &stored).map_err(EpochError::Write)?;
            self.highest.store(given, Ordering::SeqCst);
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<u64, StateFileError> {
    let stored: Option<Stored> = state_file::read(path, FORMAT)?;
    Ok(stored.map_or(0, |stored| stored.highest))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_epoch_only_grows_also_across_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let epoch = Epoch::open(directory.path());
        epoch.accept(3).unwrap();
        epoch.accept(3).unwrap();
        assert!(matches!(epoch.accept(2), Err(EpochError::Stale { given: 2, highest: 3 })));
        let epoch = Epoch::open(directory.path());
        assert_eq!(epoch.highest(), 3);
        assert!(epoch.accept(2).is_err());
    }

    #[test]
    fn a_file_that_cannot_be_read_stops_orders_and_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("epoch.json");
        for text in ["", "garbage", r#"{"format": 99, "highest": 7}"#] {
            fs::write(&path, text).unwrap();
            let epoch = Epoch::open(directory.path());
            assert!(matches!(epoch.accept(9), Err(EpochError::Damaged { .. })), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let epoch = Epoch::open(directory.path());
        fs::remove_file(&path).unwrap();
        epoch.accept(9).unwrap();
    }
}
