//! What an operator on the host does to an agent: stop it, start it, restart it. One that was
//! stopped stays so, over restarts of the updater and of the machine, until it is started again or
//! a transaction starts it.

use std::sync::Arc;

use common::{remove_durably, write_durably};
use protocol::{Code, EventKind, Problem};
use serde::Deserialize;

use crate::release::Slot;
use crate::transaction::App;
use crate::transaction::admission::internal;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// End it, and leave it so.
    Stop,
    /// Start the active release, if it does not run.
    Start,
    /// End it and start it.
    Restart,
}

impl Operation {
    /// Its name, as it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Restart => "restart",
        }
    }
}

impl App {
    /// Does it, and returns when it is done. Not while a transaction is under way: that has the
    /// agent in its hands.
    pub fn operate(self: &Arc<Self>, operation: Operation) -> Result<(), Problem> {
        let _lock = self.lock_at_rest()?;
        let _held = self.hold_agent();
        let done = match operation {
            Operation::Stop => self.stop_for_operator(),
            Operation::Start => self.start_for_operator(),
            Operation::Restart => self.end_agent().and_then(|()| self.start_for_operator()),
        };
        self.refresh();
        self.changed.notify_one();
        let detail = format!("an operator said {}: {}", operation.name(), self.agent_words());
        tracing::info!(app = %self.name, "{}: {detail}", self.name);
        self.tell(None, EventKind::Agent { detail });
        done
    }

    /// What an operator stopped does not run, also if the updater died before it had stopped it.
    pub(crate) fn keep_stopped(&self) -> Result<(), Problem> {
        if self.files.stopped().exists() && !self.has_journal_past_switch() {
            self.end_for_operator()?;
            self.refresh();
        }
        Ok(())
    }

    fn stop_for_operator(&self) -> Result<(), Problem> {
        // First, so that nobody starts it again meanwhile, or after a crash in between.
        write_durably(&self.files.stopped(), b"").map_err(|error| internal(&error))?;
        self.end_for_operator()
    }

    fn end_for_operator(&self) -> Result<(), Problem> {
        self.end_agent()?;
        // Who connects is to be refused, and not to wait for nobody.
        self.runner()?.handover().inspect(|runner| runner.let_go());
        Ok(())
    }

    fn start_for_operator(&self) -> Result<(), Problem> {
        let active = self.layout.slot(Slot::Active).map_err(|error| internal(&error))?;
        let active = active.ok_or_else(|| {
            Problem::new(Code::UnknownRelease, format!("{} has no release to start", self.name))
        })?;
        remove_durably(&self.files.stopped()).map_err(|error| internal(&error))?;
        if self.instance().is_some() {
            return Ok(());
        }
        let launch = self.launch(&active).map_err(|failure| *failure.problem)?;
        let started = self.runner()?.start(&launch);
        started.map(drop).map_err(|error| internal(&error))
    }

    fn end_agent(&self) -> Result<(), Problem> {
        self.runner()?.clear(self.config.run.stop_grace.0).map_err(|error| internal(&error))
    }

    fn agent_words(&self) -> String {
        let health = self.status().health();
        match health.pid {
            Some(pid) => format!("it runs as process {pid}"),
            None => format!("it is {}", health.agent),
        }
    }
}
