//! What an answer of a worker's, or the lack of one, makes of a host's row.

use std::time::Duration;

use engine::{Observation, Row};
use protocol::{Digest, HostName, HostOutcome, Kind, Status};

use crate::updater_client::{Answer, ClientError};

/// How a host is found that gave no answer.
pub(super) fn unreachable(error: &ClientError) -> Observation {
    let (code, detail) = (code(error), error.row());
    if error.was_reached() {
        Observation::Refused { code, detail }
    } else {
        Observation::Unreachable { code, detail }
    }
}

/// How a host is found about which this program itself failed.
pub(super) fn defect() -> Observation {
    let detail = "swarm itself failed; ask with: swarm status".to_owned();
    Observation::Unreachable { code: "internal".to_owned(), detail }
}

fn code(error: &ClientError) -> String {
    match error {
        ClientError::Refused { code: Some(code), .. } => code.clone(),
        other => other.code().to_owned(),
    }
}

/// A host whose updater gave no answer, or refused to. `from` is what it ran when it was
/// last seen; where nobody saw what runs now, `to` is not said.
pub(super) fn of_error(host: &HostName, from: Option<Digest>, error: &ClientError) -> Row {
    let reached = error.was_reached();
    let outcome = if reached { HostOutcome::Failed } else { HostOutcome::Unreachable };
    let row = Row { from, to: from.filter(|_| reached), ..Row::new(host, outcome) };
    row.because(&code(error), &error.row())
}

/// A host that answered to an order to run `asked`. `from` is what it ran before, where the
/// answer does not say.
pub(super) fn of_answer(
    host: &HostName,
    kind: Kind,
    asked: Digest,
    from: Option<Digest>,
    answer: Answer,
) -> Row {
    let from = answer.from.or(from);
    let mut row = Row {
        code: answer.code,
        detail: answer.detail,
        output: answer.output,
        transaction: answer.transaction,
        from,
        ..Row::new(host, HostOutcome::Failed)
    };
    let back = kind == Kind::Rollback;
    let (outcome, to) = match answer.status {
        Status::Updated => (HostOutcome::Updated, answer.to),
        Status::AlreadyCurrent => (HostOutcome::AlreadyCurrent, answer.to.or(from)),
        // A rollback that was ordered, and one that failed and was undone.
        Status::RolledBack if back && row.code.is_none() => (HostOutcome::RolledBack, answer.to),
        Status::RolledBack if back => (HostOutcome::Failed, answer.to),
        Status::RolledBack => {
            row.code.get_or_insert_with(|| "rolled_back".to_owned());
            (HostOutcome::RolledBack, answer.to)
        }
        Status::Stranded => (HostOutcome::Stranded, answer.to),
        Status::Failed | Status::Interrupted => (HostOutcome::Failed, answer.to.or(from)),
        Status::Staged | Status::Confirming | Status::SelfUpdateQueued => {
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
    held_to(row, asked, back)
}

/// A host that says that all is well, and names another release than the one asked for, is
/// not taken by its first word.
fn held_to(row: Row, asked: Digest, back: bool) -> Row {
    let good = match row.outcome {
        HostOutcome::Updated | HostOutcome::AlreadyCurrent => true,
        HostOutcome::RolledBack => back,
        _ => false,
    };
    if !good || row.to == Some(asked) {
        return row;
    }
    let detail = format!("it answered {}, but does not run {asked}", row.outcome);
    Row { outcome: HostOutcome::Failed, ..row.because("bad_answer", &detail) }
}

/// The row of a host that took so long.
pub(super) fn lasted(row: Row, time: Duration) -> Row {
    Row { duration_ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX), ..row }
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

    fn outcome(
        kind: Kind,
        status: Status,
        code: Option<&str>,
        to: impl Into<Option<Digest>>,
    ) -> HostOutcome {
        let host = "web-1".parse().unwrap();
        of_answer(&host, kind, NEW, Some(OLD), answer(status, code, to.into())).outcome
    }

    #[test]
    fn a_rollback_that_was_ordered_is_no_failure_and_one_that_was_not_is() {
        let update = |status, code, to| outcome(Kind::Update, status, code, to);
        assert_eq!(update(Status::Updated, None, NEW), HostOutcome::Updated);
        let undone = update(Status::RolledBack, Some("rolled_back"), OLD);
        assert_eq!(undone, HostOutcome::RolledBack);
        let back = |code, to| outcome(Kind::Rollback, Status::RolledBack, code, to);
        assert_eq!(back(None, NEW), HostOutcome::RolledBack);
        assert_eq!(back(Some("rolled_back"), OLD), HostOutcome::Failed);
    }

    #[test]
    fn a_host_that_names_another_release_is_not_believed() {
        for status in [Status::Updated, Status::AlreadyCurrent] {
            assert_eq!(outcome(Kind::Update, status, None, OLD), HostOutcome::Failed);
        }
        assert_eq!(outcome(Kind::Update, Status::Updated, None, None), HostOutcome::Failed);
        assert_eq!(outcome(Kind::Update, Status::Staged, None, NEW), HostOutcome::Failed);
        assert_eq!(outcome(Kind::Rollback, Status::RolledBack, None, OLD), HostOutcome::Failed);
    }

    #[test]
    fn only_what_was_seen_is_in_a_row() {
        let host: HostName = "web-1".parse().unwrap();
        let lost = ClientError::Malformed("x".to_owned());
        let row = of_error(&host, Some(OLD), &lost);
        assert_eq!((row.outcome, row.from, row.to), (HostOutcome::Unreachable, Some(OLD), None));
        let refused = ClientError::NotTaken("x".to_owned());
        let row = of_error(&host, Some(OLD), &refused);
        assert_eq!((row.outcome, row.to), (HostOutcome::Failed, Some(OLD)));
    }
}
