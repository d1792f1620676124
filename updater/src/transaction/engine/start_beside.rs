//! In a handover, the first half: the agent of the release that the transaction goes to is started
//! beside the one that serves, and waited for until it is ready. The second half is `end_predecessor.rs`.
//!
//! The same acts go forward and back.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::switch::start_failure;
use crate::hooks::Hook;
use crate::runner::{Instance, RunnerError};
use crate::sys::checkpoint;
use crate::transaction::Failure;
use crate::transaction::machine::Direction;

impl Engine {
    /// Starts the agent beside the one that serves, and waits until it is ready.
    pub(super) fn start_beside(&mut self) -> Result<(), Failure> {
        let release = self.destination()?;
        let back = self.journal.direction == Direction::Back;
        // Ready or not, the agent that is taken away has taken connections, and has to answer them.
        let limit = self.app.settings.config.run.drain_timeout.0;
        let app = Arc::clone(&self.app);
        let (runner, handover) = app.agent.handover()?;
        let serving = runner.find()?;
        if back && serving.as_ref().is_some_and(|serving| self.is_old_agent(serving)) {
            // The old agent was never ended. All there is to do is to take the new one away.
            self.run_hook(Hook::Undrain)?;
            self.note_killed(handover.clear_beside(limit)?);
            // The new one may have shut what both listened on.
            handover.prepare()?;
            return self.run_hook_between_agents();
        }
        self.refuse_other_form(&release)?;
        let beside = handover.find_beside()?;
        let started = match beside {
            // An earlier updater had come so far.
            Some(beside) if beside.digest() == release => beside,
            beside => {
                if back && serving.is_none() && beside.is_some() {
                    // The new agent goes on serving until the old release can.
                    self.promote(Duration::ZERO)?;
                }
                self.let_it_run()?;
                self.note_killed(handover.clear_beside(limit)?);
                self.run_hook_between_agents()?;
                let Some(launch) = app.agent.launch(&release)? else {
                    // What was active before this app was handed over: all there is to do is to end the new one.
                    return self.stop_agent();
                };
                handover.start_beside(&launch).map_err(|error| {
                    self.keep_output_of_failed_start();
                    start_failure(&error)
                })?
            }
        };
        self.started = Some(started.clone());
        checkpoint("agent_started_beside");
        let ready = self.stop_signal().or(&app.handle, app.agent.readiness.wait(&started))?;
        if let Err(detail) = ready {
            let failure = self.unproven(&detail, Some(&started));
            if !back {
                return Err(failure);
            }
            // There is no other way. Whether it is healthy, its probe will say.
            self.fail(failure);
        }
        checkpoint("agent_ready");
        Ok(())
    }

    /// Whether the release that the transaction goes to runs, beside the old agent or after it.
    pub(super) fn runs_beside(&self) -> bool {
        let Ok((runner, handover)) = self.app.agent.handover() else { return false };
        let is_new = |found: Result<Option<Instance>, RunnerError>| {
            let found = found.ok().flatten().filter(|found| !self.is_old_agent(found));
            found.is_some_and(|found| Some(found.digest()) == self.journal.to)
        };
        is_new(handover.find_beside()) || is_new(runner.find())
    }

    /// What tells the agent that serves now from any other.
    pub(super) fn mark_of_serving_agent(&self) -> Option<String> {
        self.app.agent.instance().map(|instance| instance.mark().to_owned())
    }

    fn is_old_agent(&self, agent: &Instance) -> bool {
        self.journal.old_agent.as_deref() == Some(agent.mark())
    }
}
