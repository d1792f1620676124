//! The end of a transaction: what it proved is written down, `prev` is set, the history gets its
//! line, and only then the journal goes. Each of these can be done twice.

use std::sync::{Arc, PoisonError};

use common::{failed_to, state_file};
use protocol::{Code, Digest, EventKind, Outcome, Phase, Problem, TransactionResult};

use super::Engine;
use super::state::RETRY_PAUSES;
use crate::build;
use crate::release::Slot;
use crate::sys::excerpt::SHOWN_LINES;
use crate::sys::fs::free_space;
use crate::sys::{checkpoint, wall_clock};
use crate::transaction::evidence::memory_available;
use crate::transaction::machine::Direction;
use crate::transaction::{
    Failure, FailureOrigin, Journal, ReleaseStates, Unproven, UnprovenKind, add_line,
};

/// A transaction that is over.
pub(in crate::transaction) struct Ended {
    pub(in crate::transaction) outcome: Outcome,
    /// Whether its end is on the disk. Else the app is blocked until a recovery has written it down.
    pub(in crate::transaction) is_written_down: bool,
}

impl Engine {
    /// Ends the transaction and tells how it went.
    pub(super) fn finish(mut self, outcome: Outcome) -> Ended {
        if self.journal.failure.is_some() && self.journal.direction == Direction::Forward {
            self.keep_evidence();
        }
        self.journal.outcome = Some(outcome);
        if outcome != Outcome::Updated
            && let Some(own) = &self.app.self_update
        {
            // A successor that was tried beside this updater is not the one that goes on, whyever
            // that is.
            own.takeover().give_up();
        }
        if outcome == Outcome::Stranded {
            self.keep_stopped_on_foreign_data();
        }
        let problem = self.problem(outcome);
        let written = self.write_end_with_retries(outcome, problem.as_ref());
        self.log_ended(outcome, problem.as_ref());
        let result = match &written {
            Ok(()) => self.result(outcome, problem),
            // No end is told as one that a later look could find otherwise.
            Err(failure) => self.unwritten_result(outcome, problem, &failure.problem),
        };
        self.app.keep_reserve();
        self.app.refresh();
        let probe = self.last_answer();
        self.app.status.update(|status| {
            status.probe = probe.or(status.probe.take());
            status.phase = Phase::Idle;
            status.since = wall_clock();
            status.running = None;
            status.from = None;
            status.to = None;
            status.undoes_to = None;
        });
        // The lock goes before the result is told: a caller that waited for it may begin the next
        // transaction at once.
        let Self { app, lock, journal, .. } = self;
        drop(lock);
        let is_written_down = written.is_ok();
        let mut unwritten = app.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        *unwritten = (!is_written_down).then(|| journal.clone());
        drop(unwritten);
        match written {
            Ok(()) => app.status.update(|status| status.blocked = None),
            Err(failure) => {
                let (transaction, why) = (&journal.transaction, failure.into_detail());
                app.status.block(format!(
                    "{transaction} ended as {outcome}, which is not written down yet: {why}"
                ));
            }
        }
        if outcome != Outcome::Updated {
            // What could not be removed of the release is known only now.
            app.refresh();
        }
        // The event says itself which transaction it is of.
        let told = TransactionResult { transaction: None, ..result };
        app.status.publish(Some(&journal.transaction), EventKind::Result(Box::new(told)));
        Ended { outcome, is_written_down }
    }

    /// Keeps what an agent printed that did not come to be, where that is what the transaction fails of.
    pub(super) fn keep_output_of_failed_start(&mut self) {
        if self.journal.direction == Direction::Back || !self.evidence.agent_output.is_empty() {
            return;
        }
        let app = Arc::clone(&self.app);
        let directory = app.settings.files.evidence();
        let print = |on_line: &mut dyn FnMut(&str)| app.agent.runner().read_failed_start(on_line);
        if let Err(error) = self.evidence.take_agent_output(&directory, print) {
            let (name, why) = (&app.settings.name, failed_to(&error));
            tracing::warn!("{name}: what the agent printed is not kept: {why}");
        }
    }

    /// Keeps what is known of the failure, before anything is cleaned up.
    pub(super) fn keep_evidence(&mut self) {
        let settings = &self.app.settings;
        self.evidence.problem =
            self.journal.failure.as_ref().map(|failure| (*failure.problem).clone());
        self.evidence.free = free_space(settings.layout.install()).ok();
        self.evidence.memory_available = memory_available();
        let directory = settings.files.evidence();
        // After a crash on the way back, what was kept before is the better witness.
        let agent = self.started.clone().or_else(|| self.app.agent.instance());
        if let Some(agent) = agent.filter(|_| self.evidence.agent_output.is_empty()) {
            let runner = self.app.agent.runner();
            let is_ordered = self.started.is_some() || Some(agent.digest()) == self.journal.to;
            let kept = if is_ordered {
                let print = |on_line: &mut dyn FnMut(&str)| runner.read_output(&agent, on_line);
                self.evidence.take_agent_output(&directory, print)
            } else {
                // It has run for long, and is not what failed.
                self.evidence.agent_output = runner.last_lines(&agent, SHOWN_LINES);
                Ok(())
            };
            if let Err(error) = kept {
                let why = failed_to(&error);
                tracing::warn!("{}: what the agent printed is not kept: {why}", settings.name);
            }
        }
        let moved = self.evidence.take_build_log(&settings.files.build_log(), &directory);
        if let Err(failure) = moved.map_err(Failure::from).and(self.evidence.keep(&directory)) {
            let why = failure.into_detail();
            tracing::warn!("{}: the evidence could not be kept: {why}", settings.name);
        }
        checkpoint("evidence_kept");
    }

    /// What can be done twice is tried again. What cannot be cleaned up even so is left to the next
    /// transaction: this one must not hold it up for ever.
    fn write_end_with_retries(
        &mut self,
        outcome: Outcome,
        problem: Option<&Problem>,
    ) -> Result<(), Failure> {
        let mut written = self.write_end(outcome, problem, false);
        for (number, pause) in RETRY_PAUSES.iter().enumerate() {
            if let Err(failure) = &written {
                if failure.problem.code != Code::NoSpace || !self.app.make_room() {
                    self.pause(*pause);
                }
                written = self.write_end(outcome, problem, number + 1 == RETRY_PAUSES.len());
            }
        }
        written
    }

    fn write_end(
        &mut self,
        outcome: Outcome,
        problem: Option<&Problem>,
        last: bool,
    ) -> Result<(), Failure> {
        let app = Arc::clone(&self.app);
        let settings = &app.settings;
        let files = &settings.files;
        // What is no release goes first: on a full disk, what follows needs the room.
        may_stay(settings.sweep_incoming().map_err(Failure::from), last)?;
        if self.was_bad(outcome) {
            may_stay(build::forget_home(&files.builds()).map_err(Failure::from), last)?;
        }
        self.leave_one_agent()?;
        self.journal.write(&files.journal())?;
        checkpoint("outcome_written");
        self.write_release_states(outcome)?;
        if let Some(to) = self.journal.to.filter(|_| self.proven(outcome)) {
            self.note_proven_on_data(to)?;
        }
        checkpoint("facts_written");
        if self.proven(outcome) || self.stays(outcome) {
            self.set_prev()?;
        } else if outcome != Outcome::Interrupted && self.journal.prev == self.journal.to {
            // A plain rollback must not go where this transaction came back from.
            self.forget_prev()?;
        }
        checkpoint("prev_set");
        self.note_unproven(outcome)?;
        add_line(&files.history(), &self.history_line(outcome, problem))?;
        checkpoint("history_written");
        may_stay(settings.sweep(self.app.agent.running_release(), self.needed(outcome)), last)?;
        Journal::remove(&files.journal())?;
        checkpoint("journal_removed");
        Ok(())
    }

    /// Keeps that nothing was proven, until something is.
    fn note_unproven(&self, outcome: Outcome) -> Result<(), Failure> {
        let path = self.app.settings.files.unproven();
        let runs_a_release = self.active_after(outcome).is_some();
        match UnprovenKind::of(outcome, runs_a_release) {
            Some(Some(what)) => {
                let host_fault =
                    self.journal.direction == Direction::Back && self.failed_for_the_host(outcome);
                let unproven = Unproven::new(self.transaction().clone(), what, host_fault);
                Ok(state_file::write(&path, &unproven)?)
            }
            Some(None) => Ok(state_file::remove(&path)?),
            None => Ok(()),
        }
    }

    /// What must not go, though no link names it: a release that was only staged, and the good one
    /// that a stranded host did not come back to.
    const fn needed(&self, outcome: Outcome) -> Option<Digest> {
        match outcome {
            Outcome::Staged => self.journal.to,
            Outcome::Stranded => self.journal.from,
            _ => None,
        }
    }

    /// Whether a release was left, or could not be built: nothing of it may reach the next build.
    const fn was_bad(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::RolledBack | Outcome::Stranded => true,
            Outcome::Interrupted => matches!(self.journal.phase, Phase::Building),
            Outcome::Staged | Outcome::Updated | Outcome::AlreadyCurrent => false,
        }
    }

    /// What this host found out about the release that was ordered, and the one that it came back to.
    fn write_release_states(&self, outcome: Outcome) -> Result<(), Failure> {
        let (Some(to), from) = (self.journal.to, self.journal.from) else { return Ok(()) };
        let now = wall_clock();
        let proven = self.proven(outcome);
        let undone = self.journal.direction == Direction::Back || outcome == Outcome::Stranded;
        Ok(self.app.settings.change_release_states(|states| {
            if proven {
                states.proved(to, now);
            } else if undone {
                let failure = self.journal.failure.as_ref();
                let failure = failure.filter(|why| why.origin == FailureOrigin::Release);
                if let Some(failure) = failure.filter(|_| from != Some(to)) {
                    states.failed(to, &failure.problem.detail, now);
                }
                if let (Outcome::RolledBack, Some(from)) = (outcome, from) {
                    states.proved(from, now);
                }
            }
        })?)
    }

    /// `prev` becomes the release that was left, unless that one is known to be bad.
    fn set_prev(&self) -> Result<(), Failure> {
        let (from, to, prev) = (self.journal.from, self.journal.to, self.journal.prev);
        let states = self.app.settings.release_states()?;
        let good = |digest: &Digest| states.proven(digest) && Some(*digest) != to;
        let next = match from {
            Some(from) if Some(from) != to && good(&from) => Some(from),
            _ => prev.filter(good),
        };
        Ok(self.app.settings.layout.set_prev(next.as_ref())?)
    }

    fn forget_prev(&self) -> Result<(), Failure> {
        let layout = &self.app.settings.layout;
        let states: ReleaseStates = self.app.settings.release_states()?;
        let to = self.journal.to;
        // Stranded on what it went to, the host would go there once more.
        let stays = to.is_some() && layout.slot(Slot::Active)? == to;
        if stays || to.is_some_and(|to| states.failed_here(&to)) {
            layout.set_prev(None)?;
        }
        Ok(())
    }
}

/// A failure in cleaning up counts, but for the last time.
fn may_stay(cleaned: Result<(), Failure>, last: bool) -> Result<(), Failure> {
    match cleaned {
        Err(failure) if last => {
            let why = failure.into_detail();
            tracing::warn!("something is left that the next transaction has to remove: {why}");
            Ok(())
        }
        cleaned => cleaned,
    }
}
