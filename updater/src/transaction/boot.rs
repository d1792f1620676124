//! Before the updater says that it is ready. Units that start with the host wait for that, and until
//! then is decided which of them do.

use protocol::Problem;

use crate::transaction::admission::internal;
use crate::transaction::machine::after_switch;
use crate::transaction::{App, Journal};

impl App {
    /// Keeps the agent from being started by whoever starts it at boot, where that is not for them to
    /// do: a transaction has it in its hands, or an operator stopped it. One that runs is left alone.
    pub(crate) fn prevent_boot_start(&self) -> Result<(), Problem> {
        if self.is_in_a_transactions_hands() || self.files.stopped().exists() {
            self.runner().prevent_boot_start().map_err(|error| internal(&error))?;
        }
        Ok(())
    }

    /// From now on nothing here starts the agent, until [`App::let_start`]: systemd would wait with it
    /// for the updater, and the time that a start may take would pass for nothing.
    pub(crate) fn hold_starts(&self) {
        self.may_start.send_replace(false);
    }

    /// The updater is ready.
    pub(crate) fn let_start(&self) {
        self.may_start.send_replace(true);
    }

    /// Waits until the agent may be started.
    pub(crate) async fn may_start(&self) {
        // It cannot be closed before this app is gone.
        let _ = self.may_start.subscribe().wait_for(|may| *may).await;
    }

    /// Of one that has ended all is done but for the writing down. A journal that cannot be read says
    /// nothing, and nothing is changed.
    fn is_in_a_transactions_hands(&self) -> bool {
        Journal::read(&self.files.journal()).is_ok_and(|journal| {
            journal.is_some_and(|journal| journal.outcome.is_none() && after_switch(journal.phase))
        })
    }
}
