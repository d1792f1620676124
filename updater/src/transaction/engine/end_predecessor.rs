//! In a handover, the second half: the agent that served until now is ended, and may first finish what
//! it has begun, for as long as `run.drain_timeout` says. From then on the one beside it serves.

use std::sync::Arc;
use std::time::Duration;

use protocol::{Code, Problem};

use super::Engine;
use crate::hooks::Hook;
use crate::release::Slot;
use crate::runner::Instance;
use crate::sys::checkpoint;
use crate::transaction::Failure;
use crate::transaction::machine::Direction;

impl Engine {
    /// Ends the agent that served until now; from then on it is the one beside it.
    pub(super) fn drain(&mut self) -> Result<(), Failure> {
        let (_, handover) = self.app.agent.handover()?;
        if !handover.has_beside()? {
            // It was done before; or, on the way back, there was nothing to do.
            return Ok(());
        }
        let gone = handover.find_beside()?.is_none();
        if gone && self.journal.direction == Direction::Forward {
            let exit = self.started.as_ref().and_then(Instance::exit);
            let how = exit.map_or_else(|| "ended".to_owned(), |exit| exit.describe());
            let detail = format!("the new agent {how} beside the old one");
            let problem = Problem::new(Code::RolledBack, detail);
            let output = self.agent_output();
            return Err(Failure::release_problem(Problem { output, ..problem }));
        }
        // Forward, both agents serve: what fails here is undone without a lost request.
        if self.journal.direction == Direction::Forward {
            self.run_hook(Hook::Activate)?;
            self.run_hook(Hook::Drain)?;
        }
        let mut journal = self.journal.clone();
        journal.old_agent = None;
        journal.write(&self.app.settings.files.journal())?;
        self.journal = journal;
        self.promote(self.app.settings.config.run.drain_timeout.0)?;
        self.app.refresh();
        Ok(())
    }

    /// However the transaction ended, there is one agent again. Mostly there is already.
    pub(super) fn leave_one_agent(&mut self) -> Result<(), Failure> {
        if !self.journal.handover {
            return Ok(());
        }
        let app = Arc::clone(&self.app);
        let (runner, handover) = app.agent.handover()?;
        let active = app.settings.layout.slot(Slot::Active)?;
        let beside = handover.find_beside()?.map(|beside| beside.digest());
        if beside.is_some() && beside == active && runner.find()?.is_none() {
            return self.promote(Duration::ZERO);
        }
        self.note_killed(handover.clear_beside(app.settings.config.run.drain_timeout.0)?);
        Ok(())
    }

    /// Ends the agent that serves, within `limit`, and puts the one beside it into its place.
    pub(super) fn promote(&mut self, limit: Duration) -> Result<(), Failure> {
        let app = Arc::clone(&self.app);
        let (runner, handover) = app.agent.handover()?;
        self.note_killed(runner.clear(limit)?);
        checkpoint("agent_drained");
        handover.promote()?;
        checkpoint("agent_succeeded");
        Ok(())
    }
}
