//! Carries the state machine's decisions out: writes each state down, does what it announces, and
//! asks what comes next.

use std::sync::Arc;
use std::time::Instant;

use common::failed_to;
use protocol::{Code, EventKind, Kind, Phase, Problem};

use super::Engine;
use super::finish::Ended;
use super::state::RETRY_PAUSES;
use crate::build::BuildPlan;
use crate::release::Slot;
use crate::runner::{Launch, RunnerError};
use crate::sys::executable::Fault;
use crate::sys::{BootTime, checkpoint, wall_clock};
use crate::transaction::machine::{self, Direction, Event, Step};
use crate::transaction::{Entered, Failure, FailureOrigin};

/// The detail of the event where a migration is one-way: it is published before anything is touched.
const NO_WAY_BACK: &str =
    "the migration cannot be undone: if it or the release fails, the host stays there";

impl Engine {
    /// Carries the transaction out to its end.
    pub(in crate::transaction) fn run(mut self) -> Ended {
        if !self.resumed {
            self.log_began();
        }
        let app = Arc::clone(&self.app);
        let mut agent = None;
        let (phase, direction) = (self.journal.phase, self.journal.direction);
        let mut step = self.enter(phase, direction);
        loop {
            match step {
                Step::Enter(phase, direction) => {
                    if machine::after_switch(phase) && agent.is_none() {
                        agent = Some(app.agent.hold());
                    }
                    step = self.enter(phase, direction);
                }
                Step::End(outcome) => return self.finish(outcome),
            }
        }
    }

    /// Writes a state down, carries its act out and decides what follows.
    fn enter(&mut self, phase: Phase, direction: Direction) -> Step {
        let before = self.journal.state();
        if let Err(error) = self.announce(phase, direction) {
            // The act is not announced, so it does not take place: what fails is the state before.
            // On the way back there is no other way. The next updater sees by the link that it was
            // taken.
            if direction == Direction::Forward {
                self.fail(error);
                return machine::next(before, Event::Failed);
            }
        }
        let began = Instant::now();
        let mut acted = self.act();
        let full = |failure: &Failure| failure.problem.code == Code::NoSpace;
        if machine::after_switch(phase) && acted.as_ref().is_err_and(full) && self.app.make_room() {
            acted = self.act();
        }
        for pause in RETRY_PAUSES {
            let again = |failure: &Failure| failure.origin == FailureOrigin::Host;
            if direction == Direction::Back && acted.as_ref().is_err_and(again) {
                self.pause(pause);
                acted = self.act();
            }
        }
        let event = match acted.err().or_else(|| self.stop_signal().reason()) {
            None => {
                self.log_done(began.elapsed());
                Event::Done
            }
            Some(failure) => {
                let stopped = failure.problem.code == Code::Interrupted && !self.may_have_moved();
                self.fail(failure);
                if stopped { Event::Stopped } else { Event::Failed }
            }
        };
        machine::next(self.journal.state(), event)
    }

    fn announce(&mut self, phase: Phase, direction: Direction) -> Result<(), Failure> {
        let mut journal = self.journal.clone();
        journal.phase = phase;
        journal.direction = direction;
        // A recovered watch goes on from where it was.
        if (phase, direction) != (self.journal.phase, self.journal.direction) {
            journal.since = wall_clock();
            journal.since_boot = BootTime::now();
            self.resumed = false;
        }
        if (self.journal.phase, phase) == (Phase::Staged, Phase::Starting) {
            journal.old_agent = self.mark_of_serving_agent();
        }
        let path = self.app.settings.files.journal();
        // What an earlier updater has announced stands there.
        let written = if std::mem::take(&mut self.announced) {
            Ok(())
        } else {
            self.app.with_room(|| Ok(journal.write(&path)?))
        };
        let failed = written.is_err();
        if !failed || direction == Direction::Back {
            self.journal = journal;
            self.publish_phase();
        }
        checkpoint("journal_written");
        written
    }

    fn act(&mut self) -> Result<(), Failure> {
        if self.journal.kind == Kind::SelfUpdate {
            match self.journal.phase {
                Phase::Staged => return self.check_successor(),
                Phase::Probing => return self.try_successor(),
                Phase::Switching => return self.switch_to_successor(),
                _ => {}
            }
        }
        match (self.journal.phase, self.journal.direction) {
            (Phase::Receiving, _) => self.receive_archive(),
            (Phase::Verifying, _) => self.verify(),
            (Phase::Building, _) => self.build(),
            (Phase::Staged, _) => self.prepare(),
            (Phase::BackingUp, _) => self.back_up(),
            (Phase::Migrating, _) => self.migrate(),
            (Phase::Starting, _) => self.start_beside(),
            (Phase::Switching, _) => self.switch(),
            (Phase::Draining, _) => self.drain(),
            (Phase::Restarting, _) => self.restart(),
            (Phase::Probing, _) => self.prove(),
            (Phase::Confirming, _) => self.await_confirmation(),
            (Phase::Watching, _) => self.watch(),
            (Phase::Reversing, _) => self.reverse(),
            (Phase::Idle, _) => Ok(()),
        }
    }

    /// The last that is done before anything is touched.
    fn prepare(&mut self) -> Result<(), Failure> {
        if self.journal.kind == Kind::Stage {
            return Ok(());
        }
        self.refuse_unstartable()?;
        self.plan_migration()?;
        self.refuse_wrong_probe()?;
        self.run_hook_before_anything()
    }

    /// A release that cannot be started is refused while the one before still runs, as far as the tree and
    /// the host can tell.
    fn refuse_unstartable(&self) -> Result<(), Failure> {
        let refused = |failure: Failure| match failure.problem.code {
            // Its build has made something else of release.toml: that is the release's own fault.
            // Or the disk did not say how it is started, which is nothing that this updater cannot do.
            Code::ArchiveRejected | Code::Internal | Code::NoSpace => failure,
            _ => Failure::host_problem(Problem { code: Code::NotSupported, ..*failure.problem }),
        };
        let launch = self.app.agent.launch(&self.destination()?).map_err(refused)?;
        let Some(launch) = launch else { return self.refuse_handover_to_nothing() };
        let checked = self.app.agent.runner().check(&launch);
        checked.map_err(|error| unstartable(&error, &launch))
    }

    /// Without a process there is nothing to hand over to.
    fn refuse_handover_to_nothing(&self) -> Result<(), Failure> {
        if !self.journal.handover {
            return Ok(());
        }
        let detail = format!(
            "the release has no process, and [app.{}.run] says strategy = \"handover\" there",
            self.app.settings.name
        );
        Err(Failure::host_problem(Problem::new(Code::NotSupported, detail)))
    }

    fn publish_phase(&mut self) {
        let (phase, direction) = (self.journal.phase, self.journal.direction);
        self.evidence.journal.push(Entered { phase, direction, time: self.journal.since });
        self.app.status.show_phase(&self.journal);
        self.log_entered();
        let journal = &self.journal;
        let one_way = journal.migration.as_ref().is_some_and(|plan| plan.one_way);
        let detail = match phase {
            Phase::Reversing => journal.failure.as_ref().map(|why| why.problem.detail.clone()),
            Phase::BackingUp if one_way => Some(NO_WAY_BACK.to_owned()),
            Phase::Staged => self.built.as_ref().map(BuildPlan::words),
            _ => None,
        };
        self.publish(EventKind::Phase { phase, kind: journal.kind, detail });
    }

    /// Whether `active` names the release that the transaction goes to, or cannot be read.
    fn may_have_moved(&self) -> bool {
        let active = self.app.settings.layout.slot(Slot::Active);
        active.map_or(true, |active| active == self.journal.to)
    }
}

/// Whose fault it is that a release cannot be started, before anything is touched.
fn unstartable(error: &RunnerError, launch: &Launch) -> Failure {
    let detail = failed_to(error);
    let code = match error {
        RunnerError::Start(error) if error.is_of_the_program() => Code::ArchiveRejected,
        RunnerError::Unexecutable(error) => match error.fault {
            Fault::Program => Code::ArchiveRejected,
            Fault::Machine => Code::PlatformMismatch,
            Fault::Host => Code::Internal,
        },
        // The host's own: nothing that a release ships could mend it.
        RunnerError::UnusableUnit { .. } => Code::NotSupported,
        _ => return Failure::host(error),
    };
    let problem = Problem::new(code, detail);
    if problem.code != Code::ArchiveRejected {
        return Failure::host_problem(problem);
    }
    let (entry, rule) = (launch.command.first().cloned(), Some("run_command".to_owned()));
    Failure::host_problem(Problem { entry, rule, ..problem })
}
