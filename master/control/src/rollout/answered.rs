//! What an updater's answer, or the lack of one, makes of a host's result.

use std::time::Duration;

use engine::{HostResult, MasterCode, Observation, is_left_out};
use protocol::{Code, Digest, HostName, HostOutcome, Kind, Status};

use crate::updater_client::{ClientError, OrderResult};

/// How a host is found that gave no answer.
pub(super) fn unreachable(error: &ClientError) -> Observation {
    let (code, detail) = (error.code(), error.one_line());
    // Whether a host is left out is for the master to say.
    let code = if is_left_out(&code) { MasterCode::Refused.into() } else { code };
    if error.was_reached() {
        Observation::Refused { code, detail }
    } else {
        Observation::Unreachable { code, detail }
    }
}

/// How a host is found about which this program itself failed.
pub(super) fn defect() -> Observation {
    let detail = "swarm itself failed; ask with: swarm status".to_owned();
    Observation::Unreachable { code: Code::Internal.into(), detail }
}

/// A host whose updater gave no answer, or refused to. `from` is what it ran when it was
/// last seen; where no answer says what runs now, `to` is not said. One that was lost with its order may go on.
pub(super) fn of_error(host: &HostName, from: Option<Digest>, error: &ClientError) -> HostResult {
    let reached = error.was_reached();
    let outcome = match error {
        ClientError::Lost(_) => HostOutcome::Unclear,
        _ if reached => HostOutcome::Failed,
        _ => HostOutcome::Unreachable,
    };
    let result =
        HostResult { from, to: from.filter(|_| reached), ..HostResult::new(host, outcome) };
    result.with_reason(error.code(), &error.one_line())
}

/// A host that answered to an order to run `asked`. `from` is what it ran before, where the
/// answer does not say.
pub(super) fn of_answer(
    host: &HostName,
    kind: Kind,
    asked: Digest,
    from: Option<Digest>,
    answer: OrderResult,
) -> HostResult {
    let from = answer.from.or(from);
    // That it was undone does not blame the release.
    let undone = matches!(answer.status, Status::RolledBack | Status::Stranded);
    let of_the_host = Some(Code::Internal.into()).filter(|_| answer.host_fault && undone);
    let mut result = HostResult {
        code: of_the_host.or(answer.code),
        detail: answer.detail,
        output: answer.output,
        transaction: answer.transaction,
        from,
        target: Some(asked),
        needed: answer.needed,
        free: answer.free,
        ..HostResult::new(host, HostOutcome::Failed)
    };
    let back = kind == Kind::Rollback;
    let (outcome, to) = match answer.status {
        Status::Updated => (HostOutcome::Updated, answer.to),
        Status::AlreadyCurrent => (HostOutcome::AlreadyCurrent, answer.to.or(from)),
        // A rollback that was ordered, and one that failed and was undone.
        Status::RolledBack if back && result.code.is_none() => (HostOutcome::RolledBack, answer.to),
        Status::RolledBack if back => (HostOutcome::Failed, answer.to),
        Status::RolledBack => {
            result.code.get_or_insert_with(|| Code::RolledBack.into());
            (HostOutcome::RolledBack, answer.to)
        }
        Status::Stranded => (HostOutcome::Stranded, answer.to),
        // What a host runs that contradicts itself is not known.
        Status::Failed if result.code == Some(MasterCode::BadAnswer.into()) => {
            (HostOutcome::Failed, None)
        }
        Status::Failed | Status::Interrupted => (HostOutcome::Failed, answer.to.or(from)),
        Status::Staged | Status::Confirming | Status::SelfUpdateQueued => {
            result.code = Some(MasterCode::BadAnswer.into());
            result.detail = Some(format!(
                "it answered {} to an order that asks for more",
                serde_json::to_value(answer.status).unwrap_or_default()
            ));
            (HostOutcome::Failed, answer.to)
        }
    };
    result.outcome = outcome;
    result.to = to;
    with_nothing(held_to(result, asked, back))
}

/// A first release that failed leaves a host on which nothing runs.
fn with_nothing(result: HostResult) -> HostResult {
    let failed = match result.outcome {
        HostOutcome::RolledBack => true,
        HostOutcome::Failed => result.code != Some(MasterCode::BadAnswer.into()),
        _ => false,
    };
    // An updater says it itself; an older one does not.
    let said = result.detail.as_ref().is_some_and(|detail| detail.contains("nothing runs"));
    if !failed || said || result.from.is_some() || result.to.is_some() {
        return result;
    }
    let why = result.detail.as_ref().map(|why| format!("{why}; ")).unwrap_or_default();
    HostResult { detail: Some(format!("{why}nothing runs there")), ..result }
}

/// A host that says that all is well, and names another release than the one asked for, is
/// not taken by its first word.
fn held_to(result: HostResult, asked: Digest, back: bool) -> HostResult {
    let good = match result.outcome {
        HostOutcome::Updated | HostOutcome::AlreadyCurrent => true,
        HostOutcome::RolledBack => back,
        _ => false,
    };
    if !good || result.to == Some(asked) {
        return result;
    }
    let detail = format!("it answered {}, but does not run {asked}", result.outcome);
    HostResult {
        outcome: HostOutcome::Failed,
        ..result.with_reason(MasterCode::BadAnswer, &detail)
    }
}

/// The result of a host that took so long.
pub(super) fn lasted(result: HostResult, time: Duration) -> HostResult {
    HostResult { duration_ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX), ..result }
}

#[cfg(test)]
mod tests {
    use engine::{Blame, blame};

    use super::*;

    fn answer(status: Status, code: Option<&str>, to: Option<Digest>) -> OrderResult {
        OrderResult {
            status,
            code: code.map(|code| code.to_owned().into()),
            detail: None,
            host_fault: false,
            output: Vec::new(),
            transaction: None,
            from: Some(OLD),
            to,
            duration_ms: None,
            needed: None,
            free: None,
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
    fn a_release_that_was_left_for_a_fault_of_the_host_is_not_blamed() {
        let host = "web-1".parse().unwrap();
        for (status, code, is) in [
            (Status::RolledBack, "rolled_back", Blame::Host),
            (Status::Stranded, "rollback_failed", Blame::Unclear),
        ] {
            let answer =
                |host_fault| OrderResult { host_fault, ..answer(status, Some(code), Some(OLD)) };
            let of = |answer| blame(&of_answer(&host, Kind::Update, NEW, Some(OLD), answer));
            assert_eq!(of(answer(true)), Some(is));
            assert_eq!(of(answer(false)), Some(Blame::Release));
        }
    }

    #[test]
    fn only_what_was_seen_is_in_a_row() {
        let host: HostName = "web-1".parse().unwrap();
        let lost = ClientError::Malformed("x".to_owned());
        let result = of_error(&host, Some(OLD), &lost);
        assert_eq!(
            (result.outcome, result.from, result.to),
            (HostOutcome::Unreachable, Some(OLD), None)
        );
        let lost = ClientError::Lost(Box::new(lost));
        assert_eq!(of_error(&host, Some(OLD), &lost).outcome, HostOutcome::Unclear);
        let refused = ClientError::NotTaken("x".to_owned());
        let result = of_error(&host, Some(OLD), &refused);
        assert_eq!((result.outcome, result.to), (HostOutcome::Failed, Some(OLD)));
    }
}
