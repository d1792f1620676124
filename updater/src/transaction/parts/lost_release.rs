//! Releases that the history knows and the install directory does not have: as a rule its disk is not
//! mounted, and what was installed then would lie below the mount.

use std::io;

use protocol::{Code, Problem};

use super::AppSettings;
use crate::release::{Layout, Slot};
use crate::transaction::machine::after_switch;
use crate::transaction::{AppFiles, Failure, Journal, read_history};

impl AppSettings {
    /// What is missing here, in words.
    pub(in crate::transaction) fn lost_release(&self) -> io::Result<Option<String>> {
        lost_release(&self.files, &self.layout)
    }

    /// Refuses to install anything where what was installed is missing.
    pub(in crate::transaction) fn refuse_lost_release(&self) -> Result<(), Failure> {
        let Some(lost) = self.lost_release()? else { return Ok(()) };
        let detail = format!("{lost}; if it is gone for good, --force installs anew");
        Err(Failure::host_problem(Problem::new(Code::NotSupported, detail)))
    }

    /// Refuses to finish what was begun where there are no releases.
    pub(in crate::transaction) fn refuse_lost_store(
        &self,
        journal: &Journal,
    ) -> Result<(), Failure> {
        let store = self.layout.store();
        let had_one = journal.from.is_some() || after_switch(journal.phase);
        if !had_one || store.exists() {
            return Ok(());
        }
        let detail = format!(
            "an update is under way, and {} is not there: its disk may not be mounted",
            store.display()
        );
        Err(Failure::host_problem(Problem::new(Code::Internal, detail)))
    }
}

/// The release that is active by the history, where the directory has none; in words.
pub fn lost_release(files: &AppFiles, layout: &Layout) -> io::Result<Option<String>> {
    if layout.slot(Slot::Active)?.is_some() {
        return Ok(None);
    }
    let last = read_history(&files.history())?.pop();
    Ok(last.and_then(|line| line.to).map(|active| {
        format!(
            "by its history {} is active here, and {} has no release: its disk may not be mounted",
            active.short(),
            layout.install().display()
        )
    }))
}
