//! Switching to a release, restarting its agent, and the way back.

use std::sync::Arc;
use std::time::Duration;

use common::failed_to;
use protocol::{Code, Digest, Problem};

use super::Engine;
use crate::hooks::Hook;
use crate::runner::{ExitReport, Instance, RunnerError, untaken_sockets};
use crate::sys::checkpoint;
use crate::sys::executable::Fault;
use crate::transaction::Failure;
use crate::transaction::machine::Direction;

/// In so long systemd has told what became of a unit that does not answer any more.
const UNITS_SAY: Duration = Duration::from_millis(500);
/// In so long a program that was told to follow a release has begun a process for it.
const FOLLOWS: Duration = Duration::from_secs(5);
/// Stands before what the program answered, behind what it printed.
const ANSWER: &str = "its answer to the probe began:";

/// Whether the agent that runs was told to follow the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    Not,
    InVain,
    Done,
}

impl Engine {
    /// Points `active` to the release.
    pub(super) fn switch(&mut self) -> Result<(), Failure> {
        let release = self.destination()?;
        self.app.agent.runner().order_boot_after_updater()?;
        self.app.settings.layout.flip(&release)?;
        self.app.refresh();
        Ok(())
    }

    /// Points `active` back to where it was. With nothing before, the agent is stopped and
    /// `active` goes.
    pub(super) fn reverse(&mut self) -> Result<(), Failure> {
        self.keep_evidence();
        self.run_hook(if self.goes_to_newer() {
            Hook::BeforeSwitch
        } else {
            Hook::BeforeRollback
        })?;
        if let Some(from) = self.journal.from {
            self.app.settings.layout.flip(&from)?;
        } else {
            self.stop_agent()?;
            self.app.agent.runner().remove_host_files()?;
            self.app.settings.layout.clear()?;
            if self.journal.migration.is_none() {
                self.run_hook_between_agents()?;
            }
        }
        checkpoint("active_reversed");
        self.app.refresh();
        Ok(())
    }

    /// Stops what runs and starts the release that `active` names.
    pub(super) fn restart(&mut self) -> Result<(), Failure> {
        let release = self.destination()?;
        if self.was_never_stopped(&release) {
            return self.run_hook_between_agents();
        }
        let app = Arc::clone(&self.app);
        let runner = app.agent.runner();
        if self.journal.direction == Direction::Forward {
            // What is in the way is better seen while the old one still runs.
            if let Some(launch) = app.agent.launch(&release)? {
                runner.check(&launch).map_err(|error| start_failure(&error))?;
            }
        }
        self.refuse_other_form(&release)?;
        let tried = self.try_reload(&release)?;
        if tried == Tried::Done {
            self.app.refresh();
            return Ok(());
        }
        self.stop_agent()?;
        self.let_it_run()?;
        checkpoint("agent_stopped");
        if tried == Tried::Not {
            self.run_hook_between_agents()?;
        }
        if let Some(launch) = app.agent.launch(&release)? {
            self.await_port()?;
            let started = runner.start(&launch);
            let started = started.map_err(|error| {
                self.keep_output_of_failed_start();
                let failure = self.or_of_who_has_the_port(start_failure(&error), None);
                self.or_of_a_forbidden_port(failure)
            })?;
            self.started = Some(started);
            checkpoint("agent_started");
        }
        self.app.refresh();
        Ok(())
    }

    /// Tells the agent that runs to follow the release, where it can; it is never stopped then. On the way back, one
    /// that does not follow is stopped and started like any other.
    fn try_reload(&mut self, release: &Digest) -> Result<Tried, Failure> {
        let app = Arc::clone(&self.app);
        let Some(runner) = app.agent.runner().reload() else { return Ok(Tried::Not) };
        let Some(launch) = app.agent.launch(release)? else { return Ok(Tried::Not) };
        // What is done to its data is not done beside it.
        if self.journal.migration.is_some() || !runner.is_possible(&launch)? {
            return Ok(Tried::Not);
        }
        self.run_hook_between_agents()?;
        let back = self.journal.direction == Direction::Back;
        match runner.reload(&launch) {
            // There is no other release to go to: one that did not hear it would never be proven.
            Ok(reloaded) if back && !reloaded.has_followed(FOLLOWS) => Ok(Tried::InVain),
            Ok(reloaded) => {
                checkpoint("agent_started");
                self.started = Some(reloaded);
                Ok(Tried::Done)
            }
            Err(error) if back => {
                let name = &app.settings.name;
                let why = failed_to(&error);
                tracing::warn!(app = %name, "{name}: it is stopped, and started again: {why}");
                Ok(Tried::InVain)
            }
            Err(error) => Err(start_failure(&error)),
        }
    }

    /// An order for a release wants it to run, also where an operator stopped the one before: the operator is
    /// told that.
    pub(super) fn let_it_run(&mut self) -> Result<(), Failure> {
        let app = Arc::clone(&self.app);
        if app.agent.is_kept_stopped() {
            let by = app.stopped_by().map(|by| format!(" by {by}")).unwrap_or_default();
            let kind = self.journal.kind;
            self.notes.push(format!(
                "the program was stopped on the host{by} (updater stop): this {kind} started it again"
            ));
        }
        Ok(app.agent.forget_stopped()?)
    }

    /// Ends the agent, and in a handover the one beside it.
    pub(super) fn stop_agent(&mut self) -> Result<(), Failure> {
        let app = Arc::clone(&self.app);
        self.note_killed(app.agent.end()?);
        let beside = app.agent.runner().handover().filter(|_| self.journal.handover);
        if let Some(both) = beside {
            self.note_killed(both.clear_beside(app.settings.config.run.stop_grace.0)?);
        }
        Ok(())
    }

    /// What is shown of what the agent printed.
    pub(super) fn agent_output(&self) -> Vec<String> {
        let instance = self.started.clone().or_else(|| self.app.agent.instance());
        let shown = |instance| self.app.agent.runner().shown_output(&instance);
        instance.map(shown).unwrap_or_default()
    }

    /// What was started could not be proven, for a reason that the operator is told with what
    /// the agent printed.
    pub(super) fn unproven(&mut self, detail: &str, instance: Option<&Instance>) -> Failure {
        let exit = instance.and_then(|agent| agent.exit_of_units(UNITS_SAY, &self.app.handle));
        if self.journal.direction == Direction::Forward {
            self.evidence.agent_exit = exit.as_ref().map(ExitReport::describe);
        }
        let mut output = self.agent_output();
        let sockets = &self.app.settings.config.run.sockets;
        let untaken = instance.and_then(|agent| untaken_sockets(agent, sockets, &output));
        let ordered = exit.filter(|exit| exit.by_order).map(|exit| exit.describe());
        let by_order = ordered.is_some();
        let ordered = ordered.filter(|how| !detail.contains(how));
        let all =
            [Some(detail.to_owned()), ordered, untaken].into_iter().flatten().collect::<Vec<_>>();
        // Where it is one short line, the detail has it.
        let answer = &self.evidence.answer;
        if answer.len() > 1 || answer.iter().any(|line| !detail.contains(line)) {
            output.push(ANSWER.to_owned());
            output.extend(answer.iter().cloned());
        }
        let problem = Problem::new(Code::RolledBack, all.join("; "));
        let problem = Problem { output, ..problem };
        if by_order { Failure::host_problem(problem) } else { Failure::release_problem(problem) }
    }

    /// Whether the old agent still runs because it was never stopped.
    fn was_never_stopped(&self, release: &Digest) -> bool {
        self.journal.direction == Direction::Back
            && self.journal.from != self.journal.to
            && self.app.agent.running_instance(release).is_some()
    }
}

/// A program that is none, or a unit that does not come up, is the release's fault; all else that
/// is in the way of a start is the host's.
pub(super) fn start_failure(error: &RunnerError) -> Failure {
    let output = match error {
        RunnerError::NoCommand
        | RunnerError::NoMainProcess { .. }
        | RunnerError::UnusableUnit { shipped: true, .. } => Vec::new(),
        RunnerError::Start(error) if error.is_of_the_program() => Vec::new(),
        RunnerError::Unexecutable(error) if error.fault == Fault::Program => Vec::new(),
        RunnerError::Unit { output, .. }
        | RunnerError::Reload { output, .. }
        | RunnerError::Background { output, .. } => output.clone(),
        _ => return Failure::host(error),
    };
    let problem = Problem::new(Code::RolledBack, failed_to(error));
    Failure::release_problem(Problem { output, ..problem })
}
