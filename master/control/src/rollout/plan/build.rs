//! The plan that follows from a request and from how the hosts were found.

use engine::{Action, Batch, HostReport, Observation, Plan, PlannedHost, no_room};
use protocol::{AppReleases, Digest, Phase};
use time::OffsetDateTime;

use crate::rollout::plan::spread::spread;
use crate::rollout::plan::{Inspected, InspectedHost};
use crate::rollout::{Goal, RolloutError, RolloutRequest};

/// The version of a plan's format.
const FORMAT: u32 = 1;

/// Makes the plan. Hosts that need nothing, or cannot be had, are in it with the reason.
pub fn build(
    request: &RolloutRequest,
    inspected: Vec<Inspected>,
    made_at: OffsetDateTime,
) -> Result<Plan, RolloutError> {
    let RolloutRequest { app, goal, own, migration, policy, selection, named } = request;
    if let Some(label) = &policy.spread
        && !inspected.iter().any(|host| host.labels.contains_key(label))
    {
        return Err(RolloutError::NoDomains(label.clone()));
    }
    let hosts = inspected.into_iter().map(|host| planned(request, host));
    let (changed, left): (Vec<_>, Vec<_>) = hosts.partition(|host| host.action.is_a_change());
    let changed = if policy.spread.is_some() { spread(changed) } else { changed };
    let count = u32::try_from(changed.len()).unwrap_or(u32::MAX);
    Ok(Plan {
        format: FORMAT,
        kind: goal.kind(),
        app: app.clone(),
        target: goal.target(),
        archive: matches!(goal, Goal::Push(_)),
        own: *own,
        migration: *migration,
        selection: selection.clone(),
        named: *named,
        batches: Batch::split(count, policy),
        policy: policy.clone(),
        hosts: [changed, left].concat(),
        made_at,
    })
}

fn planned(request: &RolloutRequest, inspected: Inspected) -> PlannedHost {
    let Inspected { host, labels, found } = inspected;
    let domain = request.policy.spread.as_ref().and_then(|label| labels.get(label).cloned());
    let blank = PlannedHost {
        host,
        action: Action::Skip,
        from: None,
        to: request.goal.target(),
        bytes: 0,
        code: None,
        detail: None,
        updater: None,
        domain,
        seen: None,
    };
    match found {
        Err(reason) => PlannedHost {
            to: None,
            code: Some(reason.replace(' ', "_")),
            detail: Some(reason.to_owned()),
            ..blank
        },
        Ok(Err(seen)) => of_silence(blank, seen),
        Ok(Ok(found)) => of_found(request, blank, found),
    }
}

fn of_silence(blank: PlannedHost, seen: Observation) -> PlannedHost {
    let (action, code, detail) = match &seen {
        Observation::Here(_) => (Action::Refuse, None, None),
        Observation::Refused { code, detail } => (Action::Refuse, Some(code), Some(detail)),
        Observation::Unreachable { code, detail } => {
            (Action::Unreachable, Some(code), Some(detail))
        }
    };
    PlannedHost { action, code: code.cloned(), detail: detail.cloned(), seen: Some(seen), ..blank }
}

fn of_found(request: &RolloutRequest, blank: PlannedHost, found: InspectedHost) -> PlannedHost {
    let InspectedHost { health, releases } = found;
    let seen = Some(Observation::Here(HostReport::of(&health, &request.app)));
    let updater = request.own.filter(|own| *own != health.digest);
    let blank = PlannedHost { seen, ..blank };
    let refuse = |host: &PlannedHost, code: &str, detail: String| PlannedHost {
        action: Action::Refuse,
        code: Some(code.to_owned()),
        detail: Some(detail),
        ..host.clone()
    };
    let Some(app) = health.apps.get(&request.app) else {
        let apps: Vec<_> = health.apps.keys().map(ToString::to_string).collect();
        let detail = format!("it has no app {}; it has {}", request.app, apps.join(", "));
        return refuse(&blank, "unknown_app", detail);
    };
    let from = app.active.as_ref().map(|active| active.digest);
    let to = request.goal.target().or_else(|| releases.as_ref().and_then(|kept| kept.prev));
    let blank = PlannedHost { from, to, ..blank };
    if app.state != Phase::Idle {
        let detail = format!("another transaction is {} there", app.state);
        return refuse(&blank, "update_in_progress", detail);
    }
    let Some(to) = to else {
        return refuse(&blank, "no_previous_release", "it has no release to go back to".to_owned());
    };
    if from == Some(to) && !request.policy.options.force {
        let action = if updater.is_some() { Action::UpdateSelf } else { Action::AlreadyCurrent };
        if app.healthy {
            return PlannedHost { action, updater, ..blank };
        }
        let detail = format!(
            "it has the release, but its agent is {}; --force activates it again",
            app.agent
        );
        return refuse(&blank, "unhealthy", detail);
    }
    if let Some((code, detail)) = in_the_way(request, releases.as_ref(), to) {
        return refuse(&blank, code, detail);
    }
    let has = releases.iter().flat_map(|kept| &kept.releases).any(|kept| kept.digest == to);
    if let (Goal::Push(push), Some(room)) = (&request.goal, app.room)
        && !has
        && room < push.bytes
    {
        return refuse(&blank, "no_space", no_room(push.bytes, room));
    }
    let (action, bytes) = match &request.goal {
        Goal::Push(push) if !has => (Action::Update, push.bytes),
        Goal::Push(_) | Goal::Activate(_) => (Action::Update, 0),
        Goal::Back(_) => (Action::Rollback, 0),
    };
    PlannedHost { action, bytes, updater, ..blank }
}

/// Why the host would refuse to go there.
fn in_the_way(
    request: &RolloutRequest,
    kept: Option<&AppReleases>,
    to: Digest,
) -> Option<(&'static str, String)> {
    match kept?.releases.iter().find(|release| release.digest == to) {
        Some(release) if release.quarantined && !request.policy.options.retry_quarantined => {
            let why = release.failure.clone().unwrap_or_else(|| "it failed here".to_owned());
            Some(("quarantined", why))
        }
        None if !matches!(request.goal, Goal::Push(_)) => {
            Some(("unknown_release", format!("it does not have {to}")))
        }
        _ => None,
    }
}
