//! What an updater does first: it finishes what an earlier one began.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::{StateFileError, failed_to, sweep_unfinished};
use protocol::Digest;

use crate::release::Slot;
use crate::sys::BootTime;
use crate::systemd::{CommandUnits, SystemdError};
use crate::transaction::evidence::Evidence;
use crate::transaction::machine::{self, Recovered, Step};
use crate::transaction::{App, Journal, try_lock};

use super::{Engine, or_abort};

/// Between two looks at what could not be finished.
const NEXT_LOOK: Duration = Duration::from_secs(1);

/// What a journal on the disk led to.
pub enum Recovery {
    /// There was none: nothing was under way.
    Idle,
    /// A transaction is being finished, on a thread of its own.
    Finishing(JoinHandle<()>),
    /// Somebody else holds the lock, and may be finishing it.
    Locked,
    /// The journal cannot be used, so nothing may be changed.
    Blocked(String),
}

impl App {
    /// Reads the journal and finishes what it announces. Without one, litter is swept.
    pub fn recover(self: &Arc<Self>) -> Recovery {
        match self.try_recover() {
            Ok(recovery) => recovery,
            Err(RecoverError::Locked) => Recovery::Locked,
            Err(error) => {
                let text = format!("not recovered: {}", failed_to(&error));
                self.block(text.clone());
                Recovery::Blocked(text)
            }
        }
    }

    /// Recovers as soon as that can be done: whoever has the lock may end half way, and a full disk
    /// gets room.
    pub fn recover_later(self: &Arc<Self>) {
        let app = Arc::clone(self);
        self.handle.spawn(async move {
            loop {
                tokio::time::sleep(NEXT_LOOK).await;
                let trying = Arc::clone(&app);
                let tried = tokio::task::spawn_blocking(move || trying.recover()).await;
                if !matches!(tried, Ok(Recovery::Locked | Recovery::Blocked(_))) {
                    let _ = tokio::task::spawn_blocking(move || app.refresh()).await;
                    return;
                }
            }
        });
    }

    /// Says why nothing can be done with the app.
    pub(super) fn block(&self, why: String) {
        if self.status().blocked.as_ref() != Some(&why) {
            tracing::error!(app = %self.name, "{}: {why}", self.name);
            self.update_status(|status| status.blocked = Some(why));
        }
    }

    fn try_recover(self: &Arc<Self>) -> Result<Recovery, RecoverError> {
        std::fs::create_dir_all(self.files.directory()).map_err(RecoverError::Io)?;
        let Some(lock) = try_lock(&self.files.lock()).map_err(RecoverError::Io)? else {
            return Err(RecoverError::Locked);
        };
        // Who starts the agent writes there too.
        let agent = self.hold_agent();
        sweep_unfinished(self.files.directory()).map_err(RecoverError::Io)?;
        drop(agent);
        self.end_leftovers().map_err(RecoverError::Commands)?;
        let Some(journal) = Journal::read(&self.files.journal())? else {
            if self.layout.store().exists() {
                self.sweep(None).map_err(RecoverError::Io)?;
            }
            self.update_status(|status| status.blocked = None);
            return Ok(Recovery::Idle);
        };
        let active = self.layout.slot(Slot::Active).map_err(RecoverError::Io)?;
        let engine = Engine {
            evidence: Evidence::read(&self.files.evidence(), &journal.transaction)
                .unwrap_or_else(|| Evidence::new(self.name.clone(), journal.transaction.clone())),
            app: Arc::clone(self),
            lock,
            journal,
            archive: None,
            accepted: None,
            label: None,
            received: None,
            units: BTreeMap::new(),
            report: None,
            started: None,
            retry_quarantined: false,
            irreversible: false,
            resumed: true,
            began: Instant::now(),
        };
        self.update_status(|status| status.blocked = None);
        // Before anybody is answered: an app that is being finished with is not idle.
        engine.show_phase();
        let span = engine.span();
        let finishing = std::thread::Builder::new()
            .name(format!("recover-{}", self.name))
            .spawn(move || {
                let _inside = span.entered();
                or_abort(|| engine.resume_when_ready(active));
            })
            .map_err(RecoverError::Io)?;
        Ok(Recovery::Finishing(finishing))
    }

    /// Ends what an updater that was killed has left of a build or a hook, also where these are not
    /// made units any more.
    fn end_leftovers(&self) -> Result<(), SystemdError> {
        let kinds = [
            (&self.build_units, self.config.build_unit),
            (&self.hook_units, self.config.hooks_unit),
        ];
        for (units, wanted) in kinds {
            match units.as_ref().map_or(Ok(()), CommandUnits::end_leftovers) {
                // They may have been switched off because systemd does not answer.
                Err(error) if !wanted => tracing::warn!(
                    app = %self.name,
                    "{}: what a build or a hook has left may run on: {}",
                    self.name,
                    failed_to(&error)
                ),
                ended => ended?,
            }
        }
        Ok(())
    }
}

impl Engine {
    fn resume_when_ready(self, active: Option<Digest>) {
        self.app.handle.block_on(self.app.may_start());
        self.resume(active);
    }

    fn resume(mut self, active: Option<Digest>) {
        self.log_resumed();
        if let Some(outcome) = self.journal.outcome {
            drop(self.finish(outcome));
            return;
        }
        let target_active = active.is_some() && active == self.journal.to;
        let found = Recovered { target_runs: self.target_runs(), target_active };
        match machine::recover(self.journal.state(), found) {
            Step::End(outcome) => drop(self.finish(outcome)),
            Step::Enter(phase, direction) => {
                self.journal.phase = phase;
                self.journal.direction = direction;
                drop(self.run());
            }
        }
    }

    fn target_runs(&self) -> bool {
        let same_boot = BootTime::now().since(&self.journal.since_boot).is_some();
        if self.journal.handover {
            return same_boot && self.runs_beside();
        }
        let target = self.journal.target();
        same_boot && target.is_some_and(|digest| self.app.running_instance(&digest).is_some())
    }
}

#[derive(Debug, thiserror::Error)]
enum RecoverError {
    #[error("use the state directory")]
    Io(#[source] std::io::Error),
    #[error("end what was left of a build or a hook")]
    Commands(#[source] SystemdError),
    #[error("take this app's lock: another updater holds it")]
    Locked,
    #[error(transparent)]
    Journal(#[from] StateFileError),
}
