//! The end of a transaction: what it proved is written down, `prev` is set, the history gets its
//! line, and only then the journal goes. Each of these can be done twice.

use std::io;

use common::{StateFileError, chain};
use protocol::{
    Code, Digest, EventKind, FORMAT, LastTransaction, Outcome, Phase, Problem, TransactionResult,
};

use crate::build;
use crate::release::Slot;
use crate::sys::fs::free_space;
use crate::sys::{checkpoint, wall_clock};
use crate::transaction::admission::internal;
use crate::transaction::evidence::memory_available;
use crate::transaction::machine::Direction;
use crate::transaction::{Failure, FailureOrigin, Journal, ReleaseStates, add_line};

use super::{Engine, PAUSES};

impl Engine {
    /// Ends the transaction and says how it went.
    pub(super) fn finish(mut self, outcome: Outcome) -> TransactionResult {
        if self.journal.failure.is_some() && self.journal.direction == Direction::Forward {
            self.keep_evidence();
        }
        self.journal.outcome = Some(outcome);
        if outcome != Outcome::Updated
            && let Some(takeover) = &self.app.takeover
        {
            // Whoever was tried beside this updater is not the one that goes on, whyever that is.
            takeover.give_up();
        }
        if outcome == Outcome::Stranded {
            self.hold_still();
        }
        let problem = self.problem(outcome);
        let unsettled = self.settle_patiently(outcome, problem.as_ref()).err();
        self.log_ended(outcome, problem.as_ref());
        let result = self.result(outcome, problem);
        self.app.refresh();
        self.app.update_status(|status| {
            status.phase = Phase::Idle;
            status.since = wall_clock();
            status.running = None;
            status.to = None;
        });
        // The lock goes before the result is told: who waited for it may begin the next at once.
        let Self { app, lock, journal, .. } = self;
        drop(lock);
        if let Some(error) = unsettled {
            app.block(format!("the end of {} is not written down: {error}", journal.transaction));
            app.recover_later();
        }
        // The event says itself which transaction it is of.
        let told = TransactionResult { transaction: None, ..result.clone() };
        app.tell(Some(&journal.transaction), EventKind::Result(Box::new(told)));
        result
    }

    /// Keeps what is known of the failure, before anything is cleaned up.
    pub(super) fn keep_evidence(&mut self) {
        self.evidence.problem =
            self.journal.failure.as_ref().map(|failure| (*failure.problem).clone());
        // After a crash on the way back, what was kept before is the better witness.
        if self.evidence.agent_output.is_empty() {
            self.evidence.agent_output = self.agent_output();
        }
        self.evidence.free = free_space(self.app.layout.install()).ok();
        self.evidence.memory_available = memory_available();
        if let Err(error) = self.evidence.keep(&self.app.files.evidence()) {
            tracing::warn!("{}: the evidence could not be kept: {}", self.app.name, chain(&error));
        }
        checkpoint("evidence_kept");
    }

    /// What can be done twice is tried again. What cannot be cleaned up even so is left to the next
    /// transaction: this one must not hold it up for ever.
    fn settle_patiently(
        &mut self,
        outcome: Outcome,
        problem: Option<&Problem>,
    ) -> Result<(), String> {
        let mut settled = self.settle(outcome, problem, false);
        for (number, pause) in PAUSES.iter().enumerate() {
            if settled.is_err() {
                self.pause(*pause);
                settled = self.settle(outcome, problem, number + 1 == PAUSES.len());
            }
        }
        settled
    }

    fn settle(
        &mut self,
        outcome: Outcome,
        problem: Option<&Problem>,
        last: bool,
    ) -> Result<(), String> {
        let text = |error: io::Error| internal(&error).detail;
        // Litter goes first: on a full disk, what follows needs the room.
        if let Err(error) = self.app.sweep_incoming() {
            left_over(error, last).map_err(text)?;
        }
        if self.was_bad(outcome)
            && let Err(error) = build::forget_home(&self.app.files.builds())
        {
            left_over(error, last).map_err(text)?;
        }
        self.leave_one_agent().map_err(|failure| failure.problem.detail)?;
        self.journal.write(&self.app.files.journal()).map_err(|error| chain(&error))?;
        checkpoint("outcome_written");
        self.write_facts(outcome).map_err(|error| chain(&error))?;
        if let Some(to) = self.journal.to.filter(|_| self.proven(outcome)) {
            self.remember_level(to).map_err(|error| chain(&error))?;
        }
        checkpoint("facts_written");
        if self.proven(outcome) || self.stays(outcome) {
            self.set_prev().map_err(text)?;
        } else if outcome != Outcome::Interrupted && self.journal.prev == self.journal.to {
            // A plain rollback must not go where this transaction came back from.
            self.forget_prev().map_err(text)?;
        }
        checkpoint("prev_set");
        add_line(&self.app.files.history(), &self.line(outcome, problem)).map_err(text)?;
        checkpoint("history_written");
        if let Err(error) = self.app.sweep(self.needed(outcome)) {
            left_over(error, last).map_err(text)?;
        }
        Journal::remove(&self.app.files.journal()).map_err(|error| chain(&error))?;
        checkpoint("journal_removed");
        Ok(())
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

    /// Whether it ended on the release that was ordered.
    const fn proven(&self, outcome: Outcome) -> bool {
        matches!(outcome, Outcome::Updated | Outcome::RolledBack)
            && matches!(self.journal.direction, Direction::Forward)
    }

    /// Whether it ended on the release that was ordered, though nothing has proven it.
    fn stays(&self, outcome: Outcome) -> bool {
        outcome == Outcome::Stranded
            && self.journal.direction == Direction::Forward
            && self.after(outcome) == self.journal.to
    }

    fn write_facts(&self, outcome: Outcome) -> Result<(), StateFileError> {
        let path = self.app.files.facts();
        let mut facts = ReleaseStates::read(&path)?;
        let now = wall_clock();
        match (self.journal.to, self.journal.from) {
            (Some(to), _) if self.proven(outcome) => facts.proved(to, now),
            (Some(to), from)
                if self.journal.direction == Direction::Back || outcome == Outcome::Stranded =>
            {
                let blamed = self.journal.failure.as_ref();
                let blamed = blamed.filter(|failure| failure.blame == FailureOrigin::Release);
                if let Some(failure) = blamed.filter(|_| from != Some(to)) {
                    facts.failed(to, &failure.problem.detail, now);
                }
                if let (Outcome::RolledBack, Some(from)) = (outcome, from) {
                    facts.proved(from, now);
                }
            }
            _ => return Ok(()),
        }
        facts.write(&path)
    }

    /// `prev` becomes the release that was left, unless that one is known to be bad.
    fn set_prev(&self) -> io::Result<()> {
        let (from, to, prev) = (self.journal.from, self.journal.to, self.journal.prev);
        let facts = ReleaseStates::read(&self.app.files.facts()).map_err(io::Error::other)?;
        let good = |digest: &Digest| facts.proven(digest) && Some(*digest) != to;
        let next = match from {
            Some(from) if Some(from) != to && good(&from) => Some(from),
            _ => prev.filter(good),
        };
        self.app.layout.set_prev(next.as_ref())
    }

    fn forget_prev(&self) -> io::Result<()> {
        let facts = ReleaseStates::read(&self.app.files.facts()).map_err(io::Error::other)?;
        let to = self.journal.to;
        // Stranded on what it went to, the host would go there once more.
        let stays = to.is_some() && self.app.layout.slot(Slot::Active)? == to;
        if stays || to.is_some_and(|to| facts.failed_here(&to)) {
            self.app.layout.set_prev(None)?;
        }
        Ok(())
    }

    fn line(&self, outcome: Outcome, problem: Option<&Problem>) -> LastTransaction {
        LastTransaction {
            format: FORMAT,
            transaction: self.journal.transaction.clone(),
            kind: self.journal.kind,
            outcome,
            code: problem.map(|problem| problem.code.clone()),
            detail: problem.map(|problem| problem.detail.clone()),
            from: self.journal.from,
            to: self.after(outcome),
            target: self.journal.to,
            started_at: self.journal.started_at,
            ended_at: wall_clock(),
            epoch: self.journal.epoch,
            order: self.journal.order.clone(),
            caller: self.journal.caller.clone(),
        }
    }

    /// What `active` names now.
    fn after(&self, outcome: Outcome) -> Option<Digest> {
        match outcome {
            Outcome::Updated | Outcome::AlreadyCurrent => self.journal.to,
            Outcome::RolledBack if self.journal.direction == Direction::Forward => self.journal.to,
            Outcome::RolledBack | Outcome::Interrupted | Outcome::Staged => self.journal.from,
            Outcome::Stranded => self.app.layout.slot(Slot::Active).ok().flatten(),
        }
    }

    fn problem(&self, outcome: Outcome) -> Option<Problem> {
        let failure = match (&self.journal.failure, outcome) {
            (Some(failure), _) => failure.clone(),
            (None, Outcome::Interrupted) => {
                let detail = "the updater was stopped before the switch; nothing was touched";
                Failure::host_problem(Problem::new(Code::Interrupted, detail))
            }
            (None, Outcome::RolledBack | Outcome::Stranded)
                if self.journal.direction == Direction::Back =>
            {
                let detail = "the release was undone, and the reason could not be written down";
                Failure::host_problem(Problem::new(Code::Internal, detail))
            }
            (None, _) => return None,
        };
        let mut problem = *failure.problem;
        problem.code = match outcome {
            // That it was asked to end says nothing about the release.
            Outcome::RolledBack if problem.code == Code::Interrupted => Code::Interrupted,
            Outcome::RolledBack => Code::RolledBack,
            Outcome::Stranded if self.journal.direction == Direction::Forward => Code::Irreversible,
            Outcome::Stranded => Code::RollbackFailed,
            _ => problem.code,
        };
        problem.transaction = Some(self.journal.transaction.clone());
        problem.rolled_back = Some(outcome == Outcome::RolledBack);
        problem.from = self.journal.from;
        problem.to = self.journal.to;
        if outcome == Outcome::Stranded {
            let left = [self.backups(), Some(self.what_is_left())];
            let left: Vec<_> = left.into_iter().flatten().collect();
            problem.detail = format!("{}; {}", problem.detail, left.join("; "));
        }
        Some(problem)
    }

    /// What a stranded host has on the disk and what runs there.
    fn what_is_left(&self) -> String {
        let active = self.after(Outcome::Stranded);
        let active = active.map_or("nothing".to_owned(), |digest| digest.to_string());
        let none = if self.app.files.stopped().exists() {
            "no agent runs, nor is one started until that is ordered"
        } else {
            "no agent runs"
        };
        let agent = self.app.instance().map_or(none.to_owned(), |instance| {
            format!("an agent of {} runs as process {}", instance.digest(), instance.process().pid)
        });
        format!("active names {active}, and {agent}")
    }

    fn result(&self, outcome: Outcome, problem: Option<Problem>) -> TransactionResult {
        let staged = (outcome == Outcome::Staged).then_some(self.journal.to).flatten();
        let after = self.after(outcome);
        let release = match (staged, after) {
            (Some(digest), _) => Some(self.app.slot_release("store", &digest)),
            (None, Some(digest)) => Some(self.app.slot_release("active", &digest)),
            (None, None) => None,
        };
        let failed = outcome == Outcome::Interrupted
            && problem.as_ref().is_some_and(|problem| problem.code != Code::Interrupted);
        TransactionResult {
            status: if failed { protocol::Status::Failed } else { outcome.into() },
            code: problem.as_ref().map(|problem| problem.code.clone()),
            transaction: Some(self.journal.transaction.clone()),
            release,
            from: self.journal.from,
            to: after,
            probe: self.report.clone(),
            duration_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            problem,
        }
    }
}

/// An error in cleaning up counts, but for the last time.
fn left_over(error: io::Error, last: bool) -> io::Result<()> {
    if last {
        tracing::warn!("something is left that the next transaction has to remove: {error}");
        return Ok(());
    }
    Err(error)
}
