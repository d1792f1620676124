//! Whether a host may be ordered, as it is now.

use protocol::{Bytes, Code, Digest, HostOutcome, Kind, Phase};

use crate::{
    Action, AppReport, HostResult, MasterCode, Observation, Plan, PlannedHost, ResultCode,
};

/// What an observation of a host means for its order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum HostCheck {
    Ready,
    /// It is not ordered: this is its result.
    NotOrdered(HostResult),
    /// It is not well, and not ordered: this is its result.
    Unhealthy(HostResult),
}

/// Checks a host by an observation of it. The first line that applies decides:
///
/// | the host | |
/// |---|---|
/// | is left out of rollouts by now | skipped |
/// | does not answer, or refuses to | unreachable, or failed |
/// | has no such app | `unknown_app` |
/// | is in another transaction | `update_in_progress` |
/// | runs what it is to run, from a whole copy, and is well | already current |
/// | runs something else than when the plan was made | `moved` |
/// | has no room for the archive | `no_space` |
/// | is not well, or was stopped | `unhealthy`, unless that is allowed, the same release is activated again, or the host goes back: that is for hosts that are not well |
pub(super) fn check_host(
    plan: &Plan,
    planned: &PlannedHost,
    observation: &Observation,
) -> HostCheck {
    let result =
        |outcome| HostResult { from: planned.from, ..HostResult::new(&planned.host, outcome) };
    let failed =
        |from| HostResult { from, to: from, ..HostResult::new(&planned.host, HostOutcome::Failed) };
    let report = match observation {
        Observation::Reported(report) => report,
        Observation::Refused { code, detail } => {
            let result = if is_left_out(code) {
                // It is not touched.
                HostResult { to: planned.from, ..result(HostOutcome::Skipped) }
            } else {
                result(HostOutcome::Failed)
            };
            return HostCheck::NotOrdered(result.with_reason(code.clone(), detail));
        }
        Observation::Unreachable { code, detail } => {
            return HostCheck::NotOrdered(
                result(HostOutcome::Unreachable).with_reason(code.clone(), detail),
            );
        }
    };
    let Some(app) = &report.app else {
        let detail = format!("it has no app {}", plan.app);
        return HostCheck::NotOrdered(failed(None).with_reason(Code::UnknownApp, &detail));
    };
    let active = app.active;
    if app.phase != Phase::Idle
        && !(plan.kind == Kind::Rollback && app.can_be_undone_to(planned.to))
    {
        let detail = format!("another transaction is {} there", app.phase);
        return HostCheck::NotOrdered(failed(active).with_reason(Code::UpdateInProgress, &detail));
    }
    if has_nothing_to_do(plan, planned, app) {
        let outcome = HostOutcome::AlreadyCurrent;
        return HostCheck::NotOrdered(HostResult { from: active, to: active, ..result(outcome) });
    }
    if active != planned.from {
        let named = |digest: Option<Digest>| {
            digest.map_or_else(|| "nothing".to_owned(), |digest| digest.short())
        };
        let (now, then) = (named(active), named(planned.from));
        let detail = format!("it runs {now} now; the plan was made when it ran {then}");
        return HostCheck::NotOrdered(failed(active).with_reason(MasterCode::Moved, &detail));
    }
    if let Some(room) = app.room.filter(|room| *room < planned.bytes) {
        let detail = no_space_detail(planned.bytes, room);
        let result = failed(active).with_shortage(planned.bytes, room);
        return HostCheck::NotOrdered(result.with_reason(Code::NoSpace, &detail));
    }
    let again = plan.policy.options.force || planned.mends || app.is_to_be_started();
    let repair = (again && active == planned.to) || plan.kind == Kind::Rollback;
    if let Some(reason) = app.unwell().filter(|_| !plan.policy.allow_unhealthy && !repair) {
        let detail = format!("{reason}; --allow-unhealthy goes on all the same");
        return HostCheck::Unhealthy(failed(active).with_reason(MasterCode::Unhealthy, &detail));
    }
    HostCheck::Ready
}

/// Whether a code says that the master leaves a host out, whatever that says itself.
pub fn is_left_out(code: &ResultCode) -> bool {
    [MasterCode::Held, MasterCode::Decommissioned, MasterCode::EnrolledWithoutAnUpdater]
        .into_iter()
        .any(|left_out| *code == left_out.into())
}

/// The detail of a host that has too little space for the archive. `room` is what is free beyond its reserve.
pub fn no_space_detail(bytes: u64, room: u64) -> String {
    let reserve = "what is kept free there (limits.reserve_bytes, reserve_inodes)";
    match room {
        0 => format!("its disk has no room for an archive beyond {reserve}"),
        _ => format!(
            "the archive has {}, and its disk has room for {} beyond {reserve}",
            Bytes(bytes).about(),
            Bytes(room).about()
        ),
    }
}

fn has_nothing_to_do(plan: &Plan, planned: &PlannedHost, app: &AppReport) -> bool {
    let current = app.active.is_some() && app.active == planned.to && app.unwell().is_none();
    let again = planned.mends || plan.policy.options.force;
    current && planned.action != Action::UpdateSelf && !again
}

#[cfg(test)]
mod tests {
    use super::no_space_detail;

    #[test]
    fn a_disk_without_room_says_that_a_reserve_is_kept() {
        assert_eq!(
            no_space_detail(500, 0),
            "its disk has no room for an archive beyond what is kept free there (limits.reserve_bytes, reserve_inodes)"
        );
        let some = no_space_detail(500, 7);
        assert!(some.starts_with("the archive has 500 B, and its disk has room for 7 B beyond "));
    }
}
