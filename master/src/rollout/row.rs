//! What a host came to, and all of them together.

use std::time::Duration;

use protocol::{Digest, HostName, HostOutcome, Status, TransactionId};
use serde::Serialize;

use crate::rollout::{Goal, Order};
use crate::store::{HostResult, RolloutId, RolloutResult};
use crate::worker::{Answer, WorkerError};

/// The code of a host that was left out since somebody stopped the rollout.
const INTERRUPTED: &str = "interrupted";

/// One host's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The host.
    pub host: HostName,
    /// How it ended there.
    pub outcome: HostOutcome,
    /// A stable name of what went wrong, or of why it was left out.
    pub code: Option<String>,
    /// The release before.
    pub from: Option<Digest>,
    /// The release after.
    pub to: Option<Digest>,
    /// How long it took.
    pub duration_ms: u64,
    /// In words.
    pub detail: Option<String>,
    /// The last lines of what the build or the agent printed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
    /// The updater's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
}

impl Row {
    /// A row about a host of which nothing more is known.
    pub(super) fn new(host: &HostName, outcome: HostOutcome) -> Self {
        Self {
            host: host.clone(),
            outcome,
            code: None,
            from: None,
            to: None,
            duration_ms: 0,
            detail: None,
            output: Vec::new(),
            transaction: None,
        }
    }

    /// A host that was left out.
    pub(super) fn skipped(host: &HostName, code: &str, detail: &str) -> Self {
        Self {
            code: Some(code.to_owned()),
            detail: Some(detail.to_owned()),
            ..Self::new(host, HostOutcome::Skipped)
        }
    }

    /// A host that was not waited for, since somebody stopped the rollout.
    pub(super) fn interrupted(host: &HostName, detail: &str) -> Self {
        Self::skipped(host, INTERRUPTED, detail)
    }

    /// A host about which this program itself failed.
    pub(super) fn failed_here(host: &HostName) -> Self {
        Self {
            code: Some("internal".to_owned()),
            detail: Some("swarm itself failed; ask with: swarm status".to_owned()),
            ..Self::new(host, HostOutcome::Unreachable)
        }
    }

    fn was_interrupted(&self) -> bool {
        self.outcome == HostOutcome::Skipped && self.code.as_deref() == Some(INTERRUPTED)
    }

    /// A host whose updater gave no answer, or refused to. `from` is what it ran when it was
    /// last seen; where nobody saw what runs now, `to` is not said.
    pub(super) fn of_error(host: &HostName, from: Option<Digest>, error: &WorkerError) -> Self {
        let reached = error.was_reached();
        let outcome = if reached { HostOutcome::Failed } else { HostOutcome::Unreachable };
        let code = match error {
            WorkerError::Refused { code: Some(code), .. } => code.clone(),
            other => other.code().to_owned(),
        };
        Self {
            code: Some(code),
            detail: Some(error.row()),
            from,
            to: from.filter(|_| reached),
            ..Self::new(host, outcome)
        }
    }

    /// A host that answered. `from` is what it ran before, where the answer does not say.
    pub(super) fn of_answer(
        host: &HostName,
        goal: &Goal,
        from: Option<Digest>,
        answer: Answer,
    ) -> Self {
        let from = answer.from.or(from);
        let mut row = Self {
            code: answer.code,
            detail: answer.detail,
            output: answer.output,
            transaction: answer.transaction,
            from,
            ..Self::new(host, HostOutcome::Failed)
        };
        let (outcome, to) = match (answer.status, goal) {
            (Status::Updated, _) => (HostOutcome::Updated, answer.to),
            (Status::AlreadyCurrent, _) => (HostOutcome::AlreadyCurrent, answer.to.or(from)),
            // A rollback that was ordered, and one that failed and was undone.
            (Status::RolledBack, Goal::Back(_)) if row.code.is_none() => {
                (HostOutcome::RolledBack, answer.to)
            }
            (Status::RolledBack, Goal::Back(_)) => (HostOutcome::Failed, answer.to),
            (Status::RolledBack, _) => (HostOutcome::RolledBack, answer.to),
            (Status::Stranded, _) => (HostOutcome::Stranded, answer.to),
            (Status::Failed | Status::Interrupted, _) => (HostOutcome::Failed, answer.to.or(from)),
            (Status::Staged | Status::Confirming | Status::SelfUpdateQueued, _) => {
                row.code = Some("bad_answer".to_owned());
                row.detail = Some(format!(
                    "it answered {} to an order that asks for more",
                    serde_json::to_value(answer.status).unwrap_or_default()
                ));
                (HostOutcome::Failed, answer.to)
            }
        };
        row.outcome = outcome;
        row.to = to;
        row.held_to(goal)
    }

    /// A host that says that all is well, and names another release than the one asked for, is
    /// not taken by its first word.
    fn held_to(self, goal: &Goal) -> Self {
        match goal.target() {
            Some(target) if goal.is_met_by(self.outcome) && self.to != Some(target) => Self {
                code: Some("bad_answer".to_owned()),
                detail: Some(format!(
                    "it answered {}, but does not run {target}",
                    self.outcome.name()
                )),
                outcome: HostOutcome::Failed,
                ..self
            },
            _ => self,
        }
    }

    pub(super) fn lasted(self, time: Duration) -> Self {
        Self { duration_ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX), ..self }
    }

    /// As the store keeps it.
    pub(super) fn stored(&self) -> HostResult {
        HostResult {
            host: self.host.clone(),
            outcome: self.outcome,
            code: self.code.clone(),
            detail: self.detail.clone(),
            from: self.from,
            to: self.to,
            transaction: self.transaction.clone(),
            duration_ms: Some(self.duration_ms),
        }
    }
}

/// How a rollout ended: the last line of its stream.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Always `rollout.summary`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Which rollout.
    pub rollout: RolloutId,
    /// How it ended.
    pub result: RolloutResult,
    /// The release that was asked for; absent for "what each ran before".
    pub release: Option<Digest>,
    /// A row for each host, by name.
    pub hosts: Vec<Row>,
}

impl Summary {
    /// Sums the rows up. Hosts that were left out because they are not addressed are no failure,
    /// unless there was nothing else, or they were asked for by name.
    pub(super) fn of(order: &Order, mut hosts: Vec<Row>) -> Self {
        let goal = &order.goal;
        hosts.sort_by(|one, other| one.host.cmp(&other.host));
        let met = |row: &&Row| goal.is_met_by(row.outcome);
        let left_out = |row: &&Row| !order.named && row.outcome == HostOutcome::Skipped;
        let interrupted = hosts.iter().any(Row::was_interrupted);
        let some = hosts.iter().any(|row| met(&row));
        let all = hosts.iter().all(|row| met(&row) || left_out(&row));
        let result = match (interrupted, some && all) {
            (true, _) => RolloutResult::Interrupted,
            (false, true) => RolloutResult::Completed,
            (false, false) => RolloutResult::Failed,
        };
        Self { kind: "rollout.summary", rollout: order.id, result, release: goal.target(), hosts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: Status, code: Option<&str>, to: Option<Digest>) -> Answer {
        Answer {
            status,
            code: code.map(str::to_owned),
            detail: None,
            output: Vec::new(),
            transaction: None,
            from: Some(OLD),
            to,
            duration_ms: None,
        }
    }

    const OLD: Digest = Digest::from_bytes([1; 32]);
    const NEW: Digest = Digest::from_bytes([2; 32]);

    fn row(
        goal: &Goal,
        status: Status,
        code: Option<&str>,
        to: impl Into<Option<Digest>>,
    ) -> HostOutcome {
        let host = "web-1".parse().unwrap();
        Row::of_answer(&host, goal, Some(OLD), answer(status, code, to.into())).outcome
    }

    #[test]
    fn a_rollback_that_was_ordered_is_no_failure_and_one_that_was_not_is() {
        let update = Goal::Activate(NEW);
        assert_eq!(row(&update, Status::Updated, None, NEW), HostOutcome::Updated);
        let undone = row(&update, Status::RolledBack, Some("rolled_back"), OLD);
        assert_eq!(undone, HostOutcome::RolledBack);
        assert!(!update.is_met_by(undone));
        let back = Goal::Back(Some(NEW));
        let done = row(&back, Status::RolledBack, None, NEW);
        assert!(back.is_met_by(done));
        let undone = row(&back, Status::RolledBack, Some("rolled_back"), OLD);
        assert_eq!(undone, HostOutcome::Failed);
        let plain = Goal::Back(None);
        assert!(plain.is_met_by(row(&plain, Status::RolledBack, None, NEW)));
    }

    #[test]
    fn a_host_that_names_another_release_is_not_believed() {
        let update = Goal::Activate(NEW);
        for status in [Status::Updated, Status::AlreadyCurrent] {
            assert_eq!(row(&update, status, None, OLD), HostOutcome::Failed);
        }
        assert_eq!(row(&update, Status::Updated, None, None), HostOutcome::Failed);
        assert_eq!(row(&update, Status::Staged, None, NEW), HostOutcome::Failed);
    }

    #[test]
    fn only_what_was_seen_is_in_a_row() {
        let host: HostName = "web-1".parse().unwrap();
        let lost = WorkerError::Malformed("x".to_owned());
        let row = Row::of_error(&host, Some(OLD), &lost);
        assert_eq!((row.outcome, row.from, row.to), (HostOutcome::Unreachable, Some(OLD), None));
        let refused = WorkerError::NotTaken("x".to_owned());
        let row = Row::of_error(&host, Some(OLD), &refused);
        assert_eq!((row.outcome, row.to), (HostOutcome::Failed, Some(OLD)));
    }

    #[test]
    fn a_rollout_with_nothing_done_has_failed() {
        let asked = crate::rollout::testing::order(Goal::Activate(NEW));
        let host: HostName = "web-1".parse().unwrap();
        let skipped = Row::skipped(&host, "decommissioned", "x");
        let good = Row::new(&host, HostOutcome::Updated);
        let bad = Row::new(&host, HostOutcome::RolledBack);
        let stopped = Row::skipped(&host, INTERRUPTED, "x");
        let result = |rows: &[&Row]| {
            let rows = rows.iter().map(|&row| row.clone()).collect();
            Summary::of(&asked, rows).result
        };
        assert_eq!(result(&[&good, &skipped]), RolloutResult::Completed);
        assert_eq!(result(&[&skipped]), RolloutResult::Failed);
        assert_eq!(result(&[&good, &bad]), RolloutResult::Failed);
        assert_eq!(result(&[&good, &stopped]), RolloutResult::Interrupted);
        let named = Order { named: true, ..asked.clone() };
        let rows = vec![good.clone(), skipped.clone()];
        assert_eq!(Summary::of(&named, rows).result, RolloutResult::Failed);
    }
}
