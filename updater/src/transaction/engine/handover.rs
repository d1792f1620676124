//! One agent is handed over to the next: both run for a while, and one of them always serves.
//!
//! The same acts go forward and back: the agent of the release that the transaction goes to is
//! started beside the one that serves, and becomes the one that serves when the other is gone.

use std::sync::Arc;
use std::time::Duration;

use common::remove_durably;
use protocol::{Code, Kind, Problem};

use crate::config::Strategy;
use crate::hooks::Hook;
use crate::release::Slot;
use crate::runner::{Handover, Instance, Runner, RunnerError};
use crate::sys::checkpoint;
use crate::transaction::machine::Direction;
use crate::transaction::{App, Failure};

use super::Engine;
use super::activate::runner_failure;

impl App {
    /// Whether an order of this kind hands one agent over to the next.
    pub(in crate::transaction) fn hands_over(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Update | Kind::Rollback)
            && self.config.run.strategy == Strategy::Handover
    }

    /// How two agents of it run at once, or why they cannot.
    pub(in crate::transaction) fn handover(&self) -> Result<(&dyn Runner, &dyn Handover), Problem> {
        let runner = self.runner()?;
        let handover = runner.handover().ok_or_else(|| {
            Problem::new(Code::NotSupported, "this app's agents cannot be handed over")
        })?;
        Ok((runner, handover))
    }
}

impl Engine {
    /// Starts the agent beside the one that serves, and waits until it is ready.
    pub(super) fn start_beside(&mut self) -> Result<(), Failure> {
        let target = self.goal()?;
        let back = self.journal.direction == Direction::Back;
        // Ready or not, it takes connections, and has to answer them.
        let limit = self.app.config.run.drain_timeout.0;
        let app = Arc::clone(&self.app);
        let (runner, handover) = app.handover().map_err(Failure::host_problem)?;
        let serving = runner.find().map_err(host)?;
        if back && serving.as_ref().is_some_and(|serving| self.is_old(serving)) {
            // Nobody ended it. All there is to do is to take the other one away.
            self.hook(Hook::Undrain)?;
            handover.clear_beside(limit).map_err(host)?;
            // It may have shut what both listened on.
            handover.prepare().map_err(host)?;
            return self.tell_release();
        }
        self.refuse_other_form(&target)?;
        let beside = handover.find_beside().map_err(host)?;
        let started = match beside {
            // An earlier updater had come so far.
            Some(beside) if beside.digest() == target => beside,
            beside => {
                if back && serving.is_none() && beside.is_some() {
                    // Whoever serves goes on until the old release can.
                    self.promote(Duration::ZERO)?;
                }
                // Who orders a release wants it to run, whoever stopped the one before.
                remove_durably(&self.app.files.stopped()).map_err(host)?;
                handover.clear_beside(limit).map_err(host)?;
                self.tell_release()?;
                let launch = self.app.launch(&target)?;
                handover.start_beside(&launch).map_err(|error| runner_failure(&error))?
            }
        };
        self.started = Some(started.clone());
        checkpoint("agent_started_beside");
        let ready = self.stop().or(&self.app.handle, self.app.ready.wait(&started))?;
        if let Err(detail) = ready {
            let failure = self.unproven(&detail, &started);
            if !back {
                return Err(failure);
            }
            // There is no other way. Whether it is healthy, its probe will say.
            self.fail(failure);
        }
        checkpoint("agent_ready");
        Ok(())
    }

    /// Ends the agent that served until now; from then on it is the one beside it.
    pub(super) fn drain(&mut self) -> Result<(), Failure> {
        let (_, handover) = self.app.handover().map_err(Failure::host_problem)?;
        if !handover.has_beside().map_err(host)? {
            // It was done before; or, on the way back, there was nothing to do.
            return Ok(());
        }
        let gone = handover.find_beside().map_err(host)?.is_none();
        if gone && self.journal.direction == Direction::Forward {
            let exit = self.started.as_ref().and_then(Instance::exit);
            let how = exit.map_or_else(|| "ended".to_owned(), |exit| exit.describe());
            let detail = format!("the new agent {how} beside the old one");
            let problem = Problem::new(Code::RolledBack, detail);
            return Err(Failure::release_problem(Problem {
                output: self.agent_output(),
                ..problem
            }));
        }
        // Forward, both agents serve: what fails here is undone without a lost request.
        if self.journal.direction == Direction::Forward {
            self.hook(Hook::Activate)?;
            self.hook(Hook::Drain)?;
        }
        let mut journal = self.journal.clone();
        journal.old_agent = None;
        journal.write(&self.app.files.journal()).map_err(host)?;
        self.journal = journal;
        self.promote(self.app.config.run.drain_timeout.0)?;
        self.app.refresh();
        Ok(())
    }

    /// However it ended, there is one agent again. Mostly there is already.
    pub(super) fn leave_one_agent(&self) -> Result<(), Failure> {
        if !self.journal.handover {
            return Ok(());
        }
        let (runner, handover) = self.app.handover().map_err(Failure::host_problem)?;
        let active = self.app.layout.slot(Slot::Active).map_err(host)?;
        let beside = handover.find_beside().map_err(host)?.map(|beside| beside.digest());
        if beside.is_some() && beside == active && runner.find().map_err(host)?.is_none() {
            return self.promote(Duration::ZERO);
        }
        handover.clear_beside(self.app.config.run.drain_timeout.0).map_err(host)
    }

    /// Whether the release that the transaction goes to runs, beside the old agent or after it.
    pub(super) fn runs_beside(&self) -> bool {
        let Ok((runner, handover)) = self.app.handover() else { return false };
        let new = |found: Result<Option<Instance>, RunnerError>| {
            let found = found.ok().flatten().filter(|found| !self.is_old(found));
            found.is_some_and(|found| Some(found.digest()) == self.journal.to)
        };
        new(handover.find_beside()) || new(runner.find())
    }

    /// What tells the agent that serves now from any other.
    pub(super) fn serving(&self) -> Option<String> {
        self.app.instance().map(|instance| instance.mark().to_owned())
    }

    fn is_old(&self, agent: &Instance) -> bool {
        self.journal.old_agent.as_deref() == Some(agent.mark())
    }

    /// Puts the agent beside the one that serves into its place.
    fn promote(&self, limit: Duration) -> Result<(), Failure> {
        let (runner, handover) = self.app.handover().map_err(Failure::host_problem)?;
        runner.clear(limit).map_err(host)?;
        checkpoint("agent_drained");
        handover.promote().map_err(host)?;
        checkpoint("agent_succeeded");
        Ok(())
    }
}

fn host(error: impl std::error::Error + 'static) -> Failure {
    Failure::host(&error)
}
