//! The acts of the updater's own update: its successor is checked, tried beside this updater, and only
//! then switched to.

use std::path::PathBuf;

use common::failed_to;
use protocol::{Code, Problem};

use super::Engine;
use crate::release::Slot;
use crate::self_update::{PROGRAM, Takeover, TakeoverError};
use crate::sys::checkpoint;
use crate::transaction::Failure;
use crate::transaction::parts::SelfUpdate;

impl Engine {
    /// Lets the new program check itself, the configuration and the identity.
    pub(super) fn check_successor(&self) -> Result<(), Failure> {
        let window = self.app.settings.config.confirm_window.0;
        self.takeover()?.check(&self.program()?, window)?;
        checkpoint("self_checked");
        Ok(())
    }

    /// Starts it beside this updater, until it has answered the master.
    pub(super) fn try_successor(&self) -> Result<(), Failure> {
        let window = self.app.settings.config.confirm_window.0;
        self.takeover()?.try_new(&self.program()?, window)?;
        checkpoint("self_started");
        Ok(())
    }

    /// It was proven: from now on it is the updater, also after a reboot.
    pub(super) fn switch_to_successor(&self) -> Result<(), Failure> {
        let release = self.ordered_release()?;
        if let Err(error) = self.app.settings.layout.flip(&release) {
            self.flip_back();
            return Err(error.into());
        }
        checkpoint("self_flipped");
        Ok(())
    }

    /// A flip can fail after the link has moved. The successor is given up, so it must not be what
    /// is started next.
    fn flip_back(&self) {
        let layout = &self.app.settings.layout;
        let Some(from) = self.journal.from else { return };
        if layout.slot(Slot::Active).is_ok_and(|active| active == self.journal.to)
            && let Err(error) = layout.flip(&from)
        {
            tracing::error!("the updater's own link could not be put back: {error}");
        }
    }

    fn program(&self) -> Result<PathBuf, Failure> {
        Ok(self.app.settings.layout.release(&self.ordered_release()?).join(PROGRAM))
    }

    fn takeover(&self) -> Result<&Takeover, Problem> {
        let own = self.app.self_update.as_ref().map(SelfUpdate::takeover);
        own.ok_or_else(|| Problem::new(Code::NotSupported, "this app is not the updater"))
    }
}

impl From<TakeoverError> for Failure {
    fn from(error: TakeoverError) -> Self {
        let detail = failed_to(&error);
        let problem = match error {
            TakeoverError::NoProgram => {
                let (entry, rule) = (Some(PROGRAM.to_owned()), Some("no_updater".to_owned()));
                Problem { entry, rule, ..Problem::new(Code::ArchiveRejected, detail) }
            }
            _ => Problem::new(Code::SelfUpdateFailed, detail),
        };
        let output = match error {
            TakeoverError::Refused { output } => output,
            _ => Vec::new(),
        };
        Self::release_problem(Problem { output, ..problem })
    }
}
