//! What each host should run, by what a step of a rollout asks of it.
//!
//! A host should run what was asked for last, also where it was down, held, not well, busy or not reached.
//! A refusal of the order itself asks for nothing: the host would refuse the same order again, so that
//! what it should run stays what it was.

use engine::{
    Action, Command, Event, HostActivity, HostOrder, HostResult, HostState, MasterCode,
    PlannedHost, ResultCode, Status, Step,
};
use protocol::{Code, Digest, HostName, HostOutcome, Kind, Phase};
use store::{Desired, RolloutId};

/// What hosts should run from this step on, the last word on each at the end.
pub(super) fn asked_for(rollout: RolloutId, step: &Step<'_>) -> Vec<Desired> {
    let mut asked: Vec<(HostName, Digest)> = Vec::new();
    asked.extend(taken_up(step));
    for command in step.commands {
        if let Command::Order { host, order: HostOrder::Back { to }, again: false } = command {
            asked.push((host.clone(), *to));
        }
        if let Command::Announce(notice) = command
            && let Some(result) = notice.result().filter(|it| it.outcome == HostOutcome::Updated)
        {
            asked.extend(result.to.map(|to| (result.host.clone(), to)));
        }
    }
    // Where only the updaters are replaced, no release is asked for.
    let of_updaters = step.state.plan().kind == Kind::Update && step.state.plan().target.is_none();
    if step.state.is_over() && !of_updaters {
        let left = step.state.hosts().filter_map(|(planned, host)| {
            Some((planned.host.clone(), left_with(step, planned, host)?))
        });
        asked.extend(left);
    }
    let desired = |(host, digest)| Desired {
        host,
        app: step.state.plan().app.clone(),
        digest,
        rollout: Some(rollout),
        since: step.time,
    };
    asked.into_iter().map(desired).collect()
}

/// A host that begins to change what runs: it has looked at all that it got, and refuses nothing of that
/// any more.
fn taken_up(step: &Step<'_>) -> Option<(HostName, Digest)> {
    let Event::PhaseEntered { host, phase, .. } = step.event else { return None };
    let (planned, state) = step.state.host(host)?;
    let forward = matches!(state.activity, HostActivity::Updating(_));
    let to = planned.to.filter(|_| forward && *phase > Phase::Staged)?;
    Some((host.clone(), to))
}

/// What a host should run once the rollout is over. That is what was asked for; and what it was left with,
/// where an operator ended the rollout or had it taken back.
fn left_with(step: &Step<'_>, planned: &PlannedHost, host: &HostState) -> Option<Digest> {
    // A host cannot be asked to go back to what it does not have, or what failed there.
    let back = planned.action == Action::Refuse && step.state.plan().kind == Kind::Rollback;
    if back || refuses_the_order(planned, host.result.as_deref()) {
        return None;
    }
    if step.state.is_taken_back() {
        return planned.from;
    }
    match (step.state.status().0, &host.result) {
        (Status::Aborted, Some(result)) => result.to,
        (Status::Aborted, None) => planned.from,
        _ if planned.action == Action::Skip => {
            // A hold ends, and the host is of the fleet all the while.
            let held = planned.code == Some(MasterCode::Held.into());
            step.state.plan().target.filter(|_| held)
        }
        _ => planned.to,
    }
}

/// Whether the host refused what it got, in the plan or when it was ordered, and not for how it stands.
fn refuses_the_order(planned: &PlannedHost, result: Option<&HostResult>) -> bool {
    let in_plan = planned.code.as_ref().filter(|_| planned.action == Action::Refuse);
    let ordered = result
        .filter(|result| result.outcome == HostOutcome::Failed)
        .and_then(|result| result.code.as_ref());
    in_plan.into_iter().chain(ordered).any(|code| match code {
        ResultCode::Updater(code) => is_of_the_order(code),
        ResultCode::Master(_) | ResultCode::Unknown(_) => false,
    })
}

const fn is_of_the_order(code: &Code) -> bool {
    matches!(
        code,
        Code::ArchiveRejected
            | Code::ArchiveTooLarge
            | Code::BadRequest
            | Code::DigestMismatch
            | Code::DigestMissing
            | Code::HeadTooLarge
            | Code::MethodNotAllowed
            | Code::NoPreviousRelease
            | Code::NotFound
            | Code::PlatformMismatch
            | Code::SignatureRejected
            | Code::StaleMaster
            | Code::UnknownApp
            | Code::UnknownRelease
    )
}
