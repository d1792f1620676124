//! `orderly_end.json`: the updater was told to end while a transaction was under way. What the next
//! updater finds is no death then.

use std::path::Path;

use common::{StateFileError, state_file};
use protocol::{FORMAT, TransactionId};
use serde::{Deserialize, Serialize};

use super::{AppFiles, Journal};

/// That the updater which carried out this transaction ended because it was told to.
#[derive(Debug, Serialize, Deserialize)]
pub struct OrderlyEnd {
    format: u32,
    transaction: TransactionId,
}

impl OrderlyEnd {
    /// Says so of what is under way in an app, if anything is.
    pub fn note(files: &AppFiles) -> Result<(), StateFileError> {
        let Some(journal) = Journal::read(&files.journal())? else { return Ok(()) };
        let said = Self { format: FORMAT, transaction: journal.transaction };
        state_file::write(&files.orderly_end(), &said)
    }

    /// Whether it was said of this transaction. It counts for one end.
    pub(in crate::transaction) fn take(
        path: &Path,
        transaction: &TransactionId,
    ) -> Result<bool, StateFileError> {
        let said: Option<Self> = state_file::read(path, FORMAT)?;
        Self::forget(path)?;
        Ok(said.is_some_and(|said| said.transaction == *transaction))
    }

    pub(in crate::transaction) fn forget(path: &Path) -> Result<(), StateFileError> {
        state_file::remove(path)
    }
}
