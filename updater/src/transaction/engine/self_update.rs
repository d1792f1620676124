//! The acts of the updater's own update: check, try beside the old one, and only then switch.

use common::failed_to;
use protocol::{Code, Problem};

use crate::release::Slot;
use crate::self_update::{PROGRAM, Takeover, TakeoverError};
use crate::sys::checkpoint;
use crate::transaction::Failure;

use super::Engine;

impl Engine {
    /// Lets the new program check itself, the configuration and the identity.
    pub(super) fn check_own(&self) -> Result<(), Failure> {
        let window = self.app.config.confirm_window.0;
        self.takeover()?.check(&self.program()?, window).map_err(|error| failure(&error))?;
        checkpoint("self_checked");
        Ok(())
    }

    /// Starts it beside this one, until it has answered the master.
    pub(super) fn try_own(&self) -> Result<(), Failure> {
        let window = self.app.config.confirm_window.0;
        self.takeover()?.try_new(&self.program()?, window).map_err(|error| failure(&error))?;
        checkpoint("self_started");
        Ok(())
    }

    /// It was proven: from now on it is the updater, also after a reboot.
    pub(super) fn switch_own(&self) -> Result<(), Failure> {
        let target = self.target()?;
        if let Err(error) = self.app.layout.flip(&target) {
            self.flip_back();
            return Err(Failure::host(&error));
        }
        checkpoint("self_flipped");
        Ok(())
    }

    /// A flip can fail after the link has moved. The new one is given up, so it must not be what
    /// is started next.
    fn flip_back(&self) {
        let layout = &self.app.layout;
        let Some(from) = self.journal.from else { return };
        if layout.slot(Slot::Active).is_ok_and(|active| active == self.journal.to)
            && let Err(error) = layout.flip(&from)
        {
            tracing::error!("the updater's own link could not be put back: {error}");
        }
    }

    fn program(&self) -> Result<std::path::PathBuf, Failure> {
        Ok(self.app.layout.release(&self.target()?).join(PROGRAM))
    }

    fn takeover(&self) -> Result<&Takeover, Failure> {
        self.app.takeover.as_deref().ok_or_else(|| {
            Failure::host_problem(Problem::new(Code::NotSupported, "this app is not the updater"))
        })
    }
}

fn failure(error: &TakeoverError) -> Failure {
    let problem = Problem::new(Code::SelfUpdateFailed, failed_to(error));
    let output = match error {
        TakeoverError::Refused { output } => output.clone(),
        _ => Vec::new(),
    };
    Failure::release_problem(Problem { output, ..problem })
}
