//! What an updater does first: it finishes what an earlier one began. And it does so again before an
//! order, where the end of a transaction could not be written down.

use std::fs;
use std::io;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use common::{failed_to, sweep_unfinished};
use protocol::{AppName, Code, Problem};
use tracing::Span;

use super::engine::{Ended, Engine};
use super::{App, AppLock, AppSettings, Failure, Journal, OrderlyEnd, try_lock};
use crate::release::Slot;
use crate::sys::{blocking, spawn_task, spawn_thread};
use crate::systemd::{CommandUnits, SystemdError};

/// Between two looks at what could not be finished.
const NEXT_LOOK: Duration = Duration::from_secs(1);

/// What a journal on the disk led to.
pub enum Recovery {
    /// There was none: nothing was under way.
    Idle,
    /// A transaction is being finished, on a thread of its own.
    Finishing(JoinHandle<()>),
    /// Another process or thread holds the lock, and may be finishing the transaction.
    Locked,
    /// The journal cannot be used, so nothing may be changed.
    Blocked(String),
}

impl App {
    /// Reads the journal and finishes what it announces. Without one, what is no release is swept.
    pub fn recover(self: &Arc<Self>) -> Recovery {
        self.try_recover().unwrap_or_else(|failure| {
            let text = format!("not recovered: {}", failure.into_detail());
            self.status.block(text.clone());
            Recovery::Blocked(text)
        })
    }

    /// Recovers as soon as that can be done: the holder of the lock may end half way, and a full disk
    /// gets room.
    pub fn recover_later(self: &Arc<Self>) {
        let app = Arc::clone(self);
        let name = format!("the late recovery of {}", self.settings.name);
        spawn_task(&self.handle, name, async move {
            loop {
                tokio::time::sleep(NEXT_LOOK).await;
                let trying = Arc::clone(&app);
                let tried = blocking("a recovery", move || trying.recover()).await;
                if !matches!(tried, Recovery::Locked | Recovery::Blocked(_)) {
                    blocking("a look at an app", move || app.refresh()).await;
                    return;
                }
            }
        });
    }

    /// The lock, where nothing is left of an earlier transaction. One whose end could not be
    /// written down, on a full disk mostly, comes first.
    pub(super) fn lock_at_rest(self: &Arc<Self>) -> Result<AppLock, Failure> {
        let lock = self.lock()?;
        let read = || self.journal_at_rest();
        let Some(journal) = read()? else { return Ok(lock) };
        drop(lock);
        let detail = "an earlier transaction has to be finished first; try again";
        let problem = match self.recover() {
            // It has ended, and there is nothing to wait for but the disk.
            Recovery::Finishing(finishing) if journal.outcome.is_some() => {
                let _ = finishing.join();
                let lock = self.lock()?;
                if read()?.is_none() {
                    return Ok(lock);
                }
                let blocked = self.status.get().blocked;
                Problem::new(Code::Internal, blocked.unwrap_or_else(|| detail.to_owned()))
            }
            Recovery::Blocked(why) => Problem::new(Code::Internal, why),
            _ => Problem { detail: detail.to_owned(), ..self.in_progress() },
        };
        Err(problem.into())
    }

    /// Where the end of a transaction could not be written down, it is tried again later.
    pub(super) fn recover_if_needed(self: &Arc<Self>, ended: &Ended) {
        if !ended.is_written_down {
            self.recover_later();
        }
    }

    /// The journal of what an earlier updater, or this one, has not finished. What was decided stays so,
    /// though the disk did not take it.
    fn journal_at_rest(&self) -> Result<Option<Journal>, Failure> {
        let Some(journal) = Journal::read(&self.settings.files.journal())? else {
            return Ok(None);
        };
        let unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let decided = unwritten.filter(|decided| decided.transaction == journal.transaction);
        Ok(Some(decided.unwrap_or(journal)))
    }

    fn try_recover(self: &Arc<Self>) -> Result<Recovery, Failure> {
        let settings = &self.settings;
        let files = &settings.files;
        fs::create_dir_all(files.directory())?;
        let Some(lock) = try_lock(&files.lock())? else { return Ok(Recovery::Locked) };
        // A start of the agent writes there too.
        let agent = self.agent.hold();
        sweep_unfinished(files.directory())?;
        // What a transaction left in the middle has started is its own to end.
        if !files.journal().exists() {
            self.agent.adopt_stray();
        }
        drop(agent);
        settings.end_leftovers()?;
        let Some(journal) = self.journal_at_rest()? else {
            if settings.layout.store().exists() {
                settings.sweep(self.agent.running_release(), None)?;
            }
            OrderlyEnd::forget(&files.orderly_end())?;
            self.keep_reserve();
            self.status.update(|status| status.blocked = None);
            return Ok(Recovery::Idle);
        };
        settings.refuse_lost_store(&journal)?;
        let active = settings.layout.slot(Slot::Active)?;
        if journal.outcome.is_none() {
            self.status.update(|status| status.blocked = None);
        }
        // Before any caller is answered: an app whose transaction is being finished is not idle.
        self.status.show_phase(&journal);
        let engine = Engine::resumed(Arc::clone(self), lock, journal);
        let app = Arc::clone(self);
        let finishing = on_own_thread("recover", &settings.name, engine.span(), move || {
            app.recover_if_needed(&engine.resume(active));
        });
        Ok(Recovery::Finishing(finishing?))
    }

    fn lock(&self) -> Result<AppLock, Failure> {
        fs::create_dir_all(self.settings.files.directory())?;
        match try_lock(&self.settings.files.lock())? {
            Some(lock) => Ok(lock),
            None => Err(self.in_progress().into()),
        }
    }

    fn in_progress(&self) -> Problem {
        let status = self.status.get();
        let holder = status.holder();
        let detail = match &holder {
            Some(holder) => format!(
                "{} {} is under way, in {}; wait for it or look at /events",
                holder.kind, holder.transaction, status.phase
            ),
            None => "another process holds this app's lock".to_owned(),
        };
        let since = holder.is_some().then_some(status.began);
        Problem { holder, since, ..Problem::new(Code::UpdateInProgress, detail) }
    }
}

impl AppSettings {
    /// Ends what an updater that was killed has left of a build or a hook, also where these are not
    /// made units any more.
    fn end_leftovers(&self) -> Result<(), LeftoversError> {
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
                ended => ended.map_err(LeftoversError)?,
            }
        }
        Ok(())
    }
}

/// Why processes of a build or a hook may run on.
#[derive(Debug, thiserror::Error)]
#[error("end what was left of a build or a hook")]
struct LeftoversError(#[source] SystemdError);

impl From<LeftoversError> for Failure {
    fn from(error: LeftoversError) -> Self {
        Self::host(&error)
    }
}

/// Carries a transaction out on a thread of its own, in the span that its lines of the log are in.
pub(super) fn on_own_thread(
    what: &str,
    app: &AppName,
    span: Span,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(format!("{what}-{app}"));
    spawn_thread(thread, move || {
        let _inside = span.entered();
        work();
    })
}
