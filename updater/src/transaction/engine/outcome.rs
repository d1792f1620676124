//! What the end of a transaction is called: in the history, in the answer, and to an operator.

use protocol::{
    Code, Digest, FORMAT, LastProbe, LastTransaction, Outcome, Problem, ReleaseSlot, Status,
    TransactionResult,
};

use super::Engine;
use crate::release::Slot;
use crate::sys::wall_clock;
use crate::transaction::machine::Direction;
use crate::transaction::{Failure, FailureOrigin, ProbeState};

impl Engine {
    /// Whether it ended on the release that was ordered.
    pub(super) const fn proven(&self, outcome: Outcome) -> bool {
        matches!(outcome, Outcome::Updated | Outcome::RolledBack)
            && matches!(self.journal.direction, Direction::Forward)
    }

    /// Whether it ended on the release that was ordered, though nothing has proven it.
    pub(super) fn stays(&self, outcome: Outcome) -> bool {
        outcome == Outcome::Stranded
            && self.journal.direction == Direction::Forward
            && self.active_after(outcome) == self.journal.to
    }

    /// Why it did not end as it was ordered, if so.
    pub(super) fn problem(&self, outcome: Outcome) -> Option<Problem> {
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
            (None, Outcome::Stranded) => {
                let detail = "no release could be proven, and the reason could not be written down";
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
        problem.to = self.active_after(outcome);
        problem.target = self.journal.to;
        problem.stranded = outcome == Outcome::Stranded;
        problem.host_fault = self.failed_for_the_host(outcome);
        if outcome == Outcome::RolledBack && problem.to.is_none() {
            problem.detail =
                format!("{}; nothing was here before, so nothing runs", problem.detail);
        }
        if outcome == Outcome::Stranded {
            let left = [self.backups(), Some(self.what_is_left())];
            let left: Vec<_> = left.into_iter().flatten().collect();
            problem.detail = format!("{}; {}", problem.detail, left.join("; "));
        }
        let said = std::iter::once(&problem.detail).chain(&self.notes);
        problem.detail = said.map(String::as_str).collect::<Vec<_>>().join("; ");
        Some(problem)
    }

    /// Whether the release was switched to and left again for what is the host's own fault.
    pub(super) fn failed_for_the_host(&self, outcome: Outcome) -> bool {
        let of_the_host = |failure: &Failure| {
            failure.origin == FailureOrigin::Host && failure.problem.code != Code::Interrupted
        };
        matches!(outcome, Outcome::RolledBack | Outcome::Stranded)
            && self.journal.failure.as_ref().is_some_and(of_the_host)
    }

    /// Its line in the history.
    pub(super) fn history_line(
        &self,
        outcome: Outcome,
        problem: Option<&Problem>,
    ) -> LastTransaction {
        LastTransaction {
            format: FORMAT,
            transaction: self.journal.transaction.clone(),
            kind: self.journal.kind,
            outcome,
            code: problem.map(|problem| problem.code.clone()),
            detail: problem.map(|problem| problem.detail.clone()).or_else(|| self.noted()),
            host_fault: problem.is_some_and(|problem| problem.host_fault),
            from: self.journal.from,
            to: self.active_after(outcome),
            target: self.journal.to,
            started_at: self.journal.started_at,
            ended_at: wall_clock(),
            epoch: self.journal.epoch,
            order: self.journal.order.clone(),
            caller: self.journal.caller.clone(),
            by: self.journal.by.clone(),
        }
    }

    /// The answer to its order, where the end could not be written down: it says what the end is, and
    /// that a look at the host may not find it yet.
    pub(super) fn unwritten_result(
        &self,
        outcome: Outcome,
        problem: Option<Problem>,
        why: &Problem,
    ) -> TransactionResult {
        let is = match &problem {
            Some(problem) => problem.detail.clone(),
            None => format!("it ended as {outcome}"),
        };
        let detail = format!(
            "{is}; that could not be written down yet ({}): the updater stays with it, and writes it \
             down as soon as the disk takes it",
            why.detail
        );
        let ended = self.result(outcome, problem.clone());
        let bare = Problem {
            transaction: Some(self.journal.transaction.clone()),
            from: ended.from,
            to: ended.to,
            target: self.journal.to,
            free: why.free,
            ..Problem::new(why.code.clone(), "")
        };
        let problem = Problem { detail, ..problem.unwrap_or(bare) };
        let status = match ended.status {
            Status::Stranded => Status::Stranded,
            Status::RolledBack if self.journal.direction == Direction::Back => Status::RolledBack,
            _ => Status::Failed,
        };
        TransactionResult {
            status,
            code: Some(problem.code.clone()),
            problem: Some(problem),
            ..ended
        }
    }

    /// The answer to its order.
    pub(super) fn result(&self, outcome: Outcome, problem: Option<Problem>) -> TransactionResult {
        let settings = &self.app.settings;
        let staged = (outcome == Outcome::Staged).then_some(self.journal.to).flatten();
        let after = self.active_after(outcome);
        let release = match (staged, after) {
            (Some(digest), _) => Some(settings.slot_release(ReleaseSlot::Store, &digest)),
            (None, Some(digest)) => Some(settings.slot_release(ReleaseSlot::Active, &digest)),
            (None, None) => None,
        };
        let failed = outcome == Outcome::Interrupted
            && problem.as_ref().is_some_and(|problem| problem.code != Code::Interrupted);
        TransactionResult {
            status: if failed { Status::Failed } else { outcome.into() },
            code: problem.as_ref().map(|problem| problem.code.clone()),
            transaction: Some(self.journal.transaction.clone()),
            release,
            from: self.journal.from,
            to: after,
            target: self.journal.to,
            probe: self.report.clone(),
            duration_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            problem,
            notes: self.all_notes(),
        }
    }

    fn all_notes(&self) -> Vec<String> {
        let built = self.built.iter().flat_map(|plan| &plan.notes);
        built.chain(&self.notes).cloned().collect()
    }

    /// What `active` names now.
    pub(super) fn active_after(&self, outcome: Outcome) -> Option<Digest> {
        match outcome {
            Outcome::Updated | Outcome::AlreadyCurrent => self.journal.to,
            Outcome::RolledBack if self.journal.direction == Direction::Forward => self.journal.to,
            Outcome::RolledBack | Outcome::Interrupted | Outcome::Staged => self.journal.from,
            Outcome::Stranded => self.app.settings.layout.slot(Slot::Active).ok().flatten(),
        }
    }

    /// What the probe of the release that runs was answered last, where it was proven.
    pub(super) fn last_answer(&self) -> Option<ProbeState> {
        let proven = self.report.as_ref().filter(|report| report.passed)?;
        let instance = self.app.agent.instance()?;
        let (at, detail) = (wall_clock(), proven.detail.clone());
        let last = LastProbe { at, passed: true, failures: 0, detail };
        Some(ProbeState { last, mark: instance.mark().to_owned(), failing: false })
    }

    /// What is to be known of a transaction that went well.
    fn noted(&self) -> Option<String> {
        (!self.notes.is_empty()).then(|| self.notes.join("; "))
    }

    /// What a stranded host has on the disk and what runs there.
    fn what_is_left(&self) -> String {
        let active = self.active_after(Outcome::Stranded);
        let active = active.map_or("nothing".to_owned(), |digest| digest.short());
        let none = if self.app.agent.is_kept_stopped() {
            "no agent runs, nor is one started until that is ordered"
        } else {
            "no agent runs"
        };
        let agent = self.app.agent.instance().map_or(none.to_owned(), |instance| {
            let of = instance.digest().short();
            format!("an agent of {of} runs as process {}", instance.process().pid)
        });
        format!("active names {active}, and {agent}")
    }
}
