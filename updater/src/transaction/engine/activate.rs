//! Switching, restarting, proving, watching, and the way back.

use std::sync::Arc;
use std::time::Duration;

use common::{failed_to, remove_durably};
use protocol::{Code, Digest, EventKind, Problem, TransactionId};
use tokio::time::Instant;

use crate::hooks::Hook;
use crate::probe::{Answer, Expectation, Watch, prove, watch};
use crate::runner::{Instance, RunnerError};
use crate::sys::output::TAIL_LINES;
use crate::sys::spawn::SpawnError;
use crate::sys::{BootTime, checkpoint};
use crate::transaction::machine::Direction;
use crate::transaction::{App, Evidence, Failure};

use super::Engine;

impl Engine {
    /// Points `active` to the release.
    pub(super) fn switch(&mut self) -> Result<(), Failure> {
        let target = self.goal()?;
        let runner = self.app.runner().map_err(Failure::host_problem)?;
        runner.order_boot_after_updater().map_err(|error| Failure::host(&error))?;
        self.app.layout.flip(&target).map_err(|error| Failure::host(&error))?;
        self.app.refresh();
        Ok(())
    }

    /// Points `active` back to where it was. With nothing before, the agent is stopped and
    /// `active` goes.
    pub(super) fn reverse(&mut self) -> Result<(), Failure> {
        self.keep_evidence();
        self.hook(if self.goes_to_newer() { Hook::BeforeSwitch } else { Hook::BeforeRollback })?;
        if let Some(from) = self.journal.from {
            self.app.layout.flip(&from).map_err(|error| Failure::host(&error))?;
        } else {
            self.stop_agent()?;
            let runner = self.app.runner().map_err(Failure::host_problem)?;
            runner.remove_host_files().map_err(|error| Failure::host(&error))?;
            self.app.layout.clear().map_err(|error| Failure::host(&error))?;
            if self.journal.course.is_none() {
                self.tell_release()?;
            }
        }
        checkpoint("active_reversed");
        self.app.refresh();
        Ok(())
    }

    /// Stops what runs and starts the release that `active` names.
    pub(super) fn restart(&mut self) -> Result<(), Failure> {
        let target = self.goal()?;
        if self.untouched(&target) {
            return self.tell_release();
        }
        let app = Arc::clone(&self.app);
        let runner = app.runner().map_err(Failure::host_problem)?;
        if self.journal.direction == Direction::Forward {
            // What is in the way is better seen while the old one still runs.
            let launch = self.app.launch(&target)?;
            runner.check(&launch).map_err(|error| runner_failure(&error))?;
        }
        self.refuse_other_form(&target)?;
        self.stop_agent()?;
        // Who orders a release wants it to run, whoever stopped the one before.
        remove_durably(&self.app.files.stopped()).map_err(|error| Failure::host(&error))?;
        checkpoint("agent_stopped");
        self.tell_release()?;
        let launch = self.app.launch(&target)?;
        let started = runner.start(&launch).map_err(|error| runner_failure(&error))?;
        self.started = Some(started);
        checkpoint("agent_started");
        self.app.refresh();
        Ok(())
    }

    /// Asks until the release has shown that it is the one that answers.
    pub(super) fn prove(&mut self) -> Result<(), Failure> {
        let (target, instance) = self.agent()?;
        let expectation = self.expectation(target, &instance);
        let stop = self.stop();
        let mut notes = Notes::new(&self.app, &self.journal.transaction, &mut self.evidence);
        let proving = prove(&self.app.probe, &expectation, |answer: &Answer| notes.take(answer));
        let report = stop.or(&self.app.handle, proving)?;
        let (passed, detail) = (report.passed, report.detail.clone());
        if self.journal.direction == Direction::Forward || passed {
            self.report = Some(report);
        }
        if passed {
            checkpoint("proven");
            return Ok(());
        }
        Err(self.unproven(&detail, &instance))
    }

    /// Waits until the master has come back on a new connection.
    pub(super) fn await_confirmation(&mut self) -> Result<(), Failure> {
        let window = self.remaining(self.app.config.confirm_window.0);
        let wanted = Some(self.transaction().clone());
        let mut confirmed = self.app.confirmed.subscribe();
        let came = self.stop().or(&self.app.handle, async {
            let waiting = confirmed.wait_for(|transaction| *transaction == wanted);
            tokio::time::timeout(window, waiting).await.is_ok()
        })?;
        if came {
            return Ok(());
        }
        let detail = format!(
            "the master did not reach this host again within {}",
            self.app.config.confirm_window
        );
        Err(Failure::release_problem(Problem::new(Code::RolledBack, detail)))
    }

    /// Goes on asking for the rest of the watch.
    pub(super) fn watch(&mut self) -> Result<(), Failure> {
        let (target, instance) = self.agent()?;
        let expectation = self.expectation(target, &instance);
        let left = self.remaining(self.journal.watch.0);
        let begin = if self.resumed { Watch::resumed } else { Watch::new };
        let whole = begin(self.app.probe.plan().clone(), Instant::now(), left);
        let stop = self.stop();
        let mut notes = Notes::new(&self.app, &self.journal.transaction, &mut self.evidence);
        let watching = watch(&self.app.probe, &expectation, whole, |answer: &Answer| {
            notes.take(answer);
        });
        let watched = stop.or(&self.app.handle, watching)?;
        checkpoint("watched");
        watched.map_err(|failure| self.unproven(&failure.to_string(), &instance))
    }

    /// The release that this direction goes to.
    pub(super) fn goal(&self) -> Result<Digest, Failure> {
        self.journal.target().ok_or_else(|| {
            Failure::host_problem(Problem::new(Code::Internal, "the transaction has no release"))
        })
    }

    /// Whether the old agent still runs because it was never stopped.
    fn untouched(&self, target: &Digest) -> bool {
        self.journal.direction == Direction::Back
            && self.journal.from != self.journal.to
            && self.app.running_instance(target).is_some()
    }

    pub(super) fn stop_agent(&self) -> Result<(), Failure> {
        let runner = self.app.runner().map_err(Failure::host_problem)?;
        let grace = self.app.config.run.stop_grace.0;
        runner.clear(grace).map_err(|error| Failure::host(&error))?;
        match runner.handover().filter(|_| self.journal.handover) {
            Some(both) => both.clear_beside(grace).map_err(|error| Failure::host(&error)),
            None => Ok(()),
        }
    }

    fn agent(&self) -> Result<(Digest, Instance), Failure> {
        let target = self.goal()?;
        // One that was started here is known also if it has ended since, and how.
        let started = self.started.clone().filter(|started| started.digest() == target);
        started
            .or_else(|| self.app.running_instance(&target))
            .map(|agent| (target, agent))
            .ok_or_else(|| {
                let problem = Problem::new(Code::RolledBack, "the agent does not run any more");
                Failure::release_problem(Problem { output: self.agent_output(), ..problem })
            })
    }

    pub(super) fn unproven(&mut self, detail: &str, instance: &Instance) -> Failure {
        if self.journal.direction == Direction::Forward {
            self.evidence.agent_exit = instance.exit().map(|exit| exit.describe());
        }
        let problem = Problem::new(Code::RolledBack, detail);
        Failure::release_problem(Problem { output: self.agent_output(), ..problem })
    }

    pub(super) fn agent_output(&self) -> Vec<String> {
        let instance = self.started.clone().or_else(|| self.app.instance());
        match (self.app.runner(), instance) {
            (Ok(runner), Some(instance)) => runner.output_tail(&instance, TAIL_LINES),
            _ => Vec::new(),
        }
    }

    fn expectation(&self, target: Digest, instance: &Instance) -> Expectation {
        let other = match self.journal.direction {
            Direction::Forward => self.journal.from,
            Direction::Back => self.journal.to,
        };
        let version = |digest: &Digest| self.app.slot_release("store", digest).version;
        Expectation {
            digest: target,
            path: self.app.layout.release(&target),
            version: version(&target),
            old_version: other.as_ref().and_then(version),
            instance: instance.clone(),
            process_too: self.journal.from == self.journal.to,
        }
    }

    /// What is left of a phase's time. It goes on while the updater is down or the machine sleeps;
    /// after a reboot it begins anew.
    fn remaining(&self, whole: Duration) -> Duration {
        let gone = BootTime::now().since(&self.journal.since_boot).unwrap_or_default();
        whole.saturating_sub(gone)
    }
}

/// Notes each answer to the probe as it comes.
struct Notes<'a> {
    app: &'a App,
    transaction: &'a TransactionId,
    evidence: &'a mut Evidence,
    attempt: u32,
}

impl<'a> Notes<'a> {
    const fn new(app: &'a App, transaction: &'a TransactionId, evidence: &'a mut Evidence) -> Self {
        Self { app, transaction, evidence, attempt: 0 }
    }

    fn take(&mut self, answer: &Answer) {
        self.attempt += 1;
        let (attempt, passed, detail) = (self.attempt, answer.passed(), answer.detail.clone());
        let verdict = if passed { "passed" } else { "failed" };
        self.evidence.probe(format!("{attempt}: {verdict}: {detail}"));
        self.app.tell(Some(self.transaction), EventKind::Probe { attempt, passed, detail });
    }
}

/// A program that is not there, or a unit that does not come up, is the release's fault; whatever
/// else is in the way is the host's.
pub(super) fn runner_failure(error: &RunnerError) -> Failure {
    use SpawnError::{Empty, NotExecutable, NotInPath};
    let output = match error {
        RunnerError::NoCommand
        | RunnerError::NoMainProcess { .. }
        | RunnerError::UnusableUnit { shipped: true, .. }
        | RunnerError::Start(Empty | NotExecutable { .. } | NotInPath { .. }) => Vec::new(),
        RunnerError::Unit { output, .. } => output.clone(),
        _ => return Failure::host(error),
    };
    let detail = failed_to(error);
    let problem = Problem::new(Code::RolledBack, detail);
    Failure::release_problem(Problem { output, ..problem })
}
