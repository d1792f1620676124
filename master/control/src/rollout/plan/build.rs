//! The plan that follows from a request and from how the hosts were found.

use std::collections::BTreeMap;

use engine::{
    Action, AppReport, Batch, HostReport, MasterCode, Observation, Plan, PlannedHost, ResultCode,
    no_space_detail,
};
use protocol::{AppName, AppReleases, Code, Digest, HostName, Phase};
use store::SkipReason;
use time::OffsetDateTime;

use crate::rollout::plan::spread::spread;
use crate::rollout::plan::way_back::{WayBack, way_back};
use crate::rollout::plan::{Inspected, InspectedHost, SkippedHost, way_back};
use crate::rollout::{Goal, RolloutError, RolloutRequest};

/// The version of a plan's format.
const FORMAT: u32 = 1;

/// Makes the plan. Hosts that need nothing, or cannot be had, are in it with the reason.
pub fn build(
    request: &RolloutRequest,
    inspected: Vec<Inspected>,
    made_at: OffsetDateTime,
) -> Result<Plan, RolloutError> {
    let RolloutRequest {
        app, goal, updater, migration, policy, selection, by_name, message, ..
    } = request;
    if let Some(label) = &policy.spread
        && !inspected.iter().any(|host| host.labels.contains_key(label))
    {
        return Err(RolloutError::NoDomains(label.clone()));
    }
    check_app(app, &inspected)?;
    check_watch(request, &inspected)?;
    let mut ways = BTreeMap::new();
    let hosts = inspected.into_iter().map(|host| planned(request, host, &mut ways));
    let (changed, left): (Vec<_>, Vec<_>) = hosts.partition(|host| host.action.changes_host());
    if matches!(goal, Goal::Back(None)) {
        way_back::check(&changed, &ways, request.each)?;
    }
    let changed = if policy.spread.is_some() { spread(changed) } else { changed };
    let count = u32::try_from(changed.len()).unwrap_or(u32::MAX);
    Ok(Plan {
        format: FORMAT,
        kind: goal.kind(),
        app: app.clone(),
        target: goal.target(),
        has_archive: matches!(goal, Goal::Push(_)),
        updater: *updater,
        migration: *migration,
        selection: selection.clone(),
        message: message.clone(),
        by_name: *by_name,
        batches: Batch::split(count, policy),
        policy: policy.clone(),
        hosts: [changed, left].concat(),
        made_at,
    })
}

/// Refuses an app that none of the hosts has, where some told what they have.
fn check_app(app: &AppName, inspected: &[Inspected]) -> Result<(), RolloutError> {
    let answered = || {
        inspected.iter().filter_map(|host| match &host.found {
            Ok(Ok(found)) => Some(&found.health.apps),
            _ => None,
        })
    };
    if answered().next().is_none() || answered().any(|apps| apps.contains_key(app)) {
        return Ok(());
    }
    let mut found = BTreeMap::new();
    for name in answered().flat_map(BTreeMap::keys) {
        *found.entry(name.clone()).or_insert(0) += 1;
    }
    Err(RolloutError::UnknownApp { app: app.clone(), found })
}

/// Refuses a watch that is longer than hosts allow.
fn check_watch(request: &RolloutRequest, inspected: &[Inspected]) -> Result<(), RolloutError> {
    let Some(watch) = request.policy.options.watch else { return Ok(()) };
    let longest = |host: &Inspected| match &host.found {
        Ok(Ok(found)) => {
            let longest = found.health.longest_watch.filter(|longest| *longest < watch)?;
            Some((host.host.clone(), longest))
        }
        _ => None,
    };
    let hosts: Vec<_> = inspected.iter().filter_map(longest).collect();
    if hosts.is_empty() { Ok(()) } else { Err(RolloutError::WatchTooLong { watch, hosts }) }
}

fn planned(
    request: &RolloutRequest,
    inspected: Inspected,
    ways: &mut BTreeMap<HostName, WayBack>,
) -> PlannedHost {
    let Inspected { host, labels, found } = inspected;
    let domain = request.policy.spread.as_ref().and_then(|label| labels.get(label).cloned());
    let blank = PlannedHost {
        host,
        action: Action::Skip,
        from: None,
        to: request.goal.target(),
        bytes: 0,
        mends: false,
        code: None,
        detail: None,
        needed: None,
        free: None,
        updater: None,
        domain,
        observation: None,
    };
    match found {
        Err(SkippedHost { reason, runs }) => PlannedHost {
            from: runs,
            // What a held host would have got is what it should run once it is let go.
            to: request.goal.target().filter(|_| matches!(reason, SkipReason::Held(_))),
            code: Some(reason.code().to_owned().into()),
            detail: Some(reason.to_string()),
            ..blank
        },
        Ok(Err(observation)) => of_silence(blank, observation),
        Ok(Ok(found)) => of_found(request, blank, found, ways),
    }
}

fn of_silence(blank: PlannedHost, observation: Observation) -> PlannedHost {
    let (action, code, detail) = match &observation {
        Observation::Reported(_) => (Action::Refuse, None, None),
        Observation::Refused { code, detail } => (Action::Refuse, Some(code), Some(detail)),
        Observation::Unreachable { code, detail } => {
            (Action::Unreachable, Some(code), Some(detail))
        }
    };
    let (code, detail) = (code.cloned(), detail.cloned());
    PlannedHost { action, code, detail, observation: Some(observation), ..blank }
}

fn of_found(
    request: &RolloutRequest,
    blank: PlannedHost,
    found: InspectedHost,
    ways: &mut BTreeMap<HostName, WayBack>,
) -> PlannedHost {
    let InspectedHost { health, releases } = found;
    let report = HostReport::of(&health, &request.app);
    let seen = report.app.clone();
    let observation = Some(Observation::Reported(report));
    let updater = request.updater.filter(|updater| *updater != health.digest);
    let blank = PlannedHost { observation, ..blank };
    let refuse = |host: &PlannedHost, code: ResultCode, detail: String| PlannedHost {
        action: Action::Refuse,
        code: Some(code),
        detail: Some(detail),
        ..host.clone()
    };
    let (Some(app), Some(seen)) = (health.apps.get(&request.app), seen) else {
        let apps: Vec<_> = health.apps.keys().map(ToString::to_string).collect();
        let detail = format!("it has no app {}; it has {}", request.app, apps.join(", "));
        return refuse(&blank, Code::UnknownApp.into(), detail);
    };
    let from = app.active.as_ref().map(|active| active.digest);
    let (to, note) = match &request.goal {
        Goal::UpdatersOnly => (from, None),
        Goal::Push(_) | Goal::Activate(_) | Goal::Back(Some(_)) => (request.goal.target(), None),
        Goal::Back(None) => {
            let way = way_back(app, releases.as_ref(), &request.quarantined);
            let found = (way.to, way.note.clone());
            ways.insert(blank.host.clone(), way);
            found
        }
        Goal::Undo(changes) => {
            let change = changes.get(&blank.host);
            let to = change.and_then(|change| change.from);
            let known = [to, change.and_then(|change| change.to)];
            if !known.contains(&from) {
                let runs = from.map_or_else(|| "nothing".to_owned(), |from| from.short());
                let detail = format!("it runs {runs} now, which that rollout did not leave there");
                let blank = PlannedHost { from, to, ..blank };
                return refuse(&blank, MasterCode::Moved.into(), detail);
            }
            (to, None)
        }
    };
    let blank = PlannedHost { from, to, ..blank };
    let undone = matches!(request.goal, Goal::Back(_) | Goal::Undo(_)) && seen.can_be_undone_to(to);
    if app.state != Phase::Idle && !undone {
        let detail = format!("another transaction is {} there", app.state);
        return refuse(&blank, Code::UpdateInProgress.into(), detail);
    }
    if matches!(request.goal, Goal::UpdatersOnly) {
        let action = if updater.is_some() { Action::UpdateSelf } else { Action::AlreadyCurrent };
        return PlannedHost { action, updater, ..blank };
    }
    let Some(to) = to else {
        return refuse(
            &blank,
            Code::NoPreviousRelease.into(),
            note.unwrap_or_else(|| "it has no release to go back to".to_owned()),
        );
    };
    let HostCopy { has, mends } = match HostCopy::of(request, releases.as_ref(), (from, to)) {
        Ok(copy) => copy,
        Err(damage) => return refuse(&blank, Code::UnknownRelease.into(), damage),
    };
    let detail = mends.clone().or_else(|| to_be_started(&seen, to));
    let mends = mends.is_some();
    let blank = PlannedHost { detail, mends, ..blank };
    let again = request.policy.options.force || mends || seen.is_to_be_started();
    if from == Some(to) && !again {
        let action = if updater.is_some() { Action::UpdateSelf } else { Action::AlreadyCurrent };
        let Some(reason) = seen.unwell() else {
            return PlannedHost { action, updater, ..blank };
        };
        let detail = format!("it has the release, but {reason}; --force activates it again");
        return refuse(&blank, MasterCode::Unhealthy.into(), detail);
    }
    if let Some((code, detail)) = in_the_way(request, releases.as_ref(), to) {
        return refuse(&blank, code.into(), detail);
    }
    if let Goal::Push(archive) = &request.goal
        && archive.needs_command
        && app.has_run_command == Some(false)
    {
        let detail = format!(
            "neither its release.toml nor [app.{}.run] there says how it is started: write `[run] command`, \
             or `run = []` where it has no process",
            request.app
        );
        return refuse(&blank, Code::NotSupported.into(), detail);
    }
    if let (Goal::Push(archive), Some(room)) = (&request.goal, app.room)
        && !has
        && room < archive.bytes
    {
        return without_room(&blank, archive.bytes, room);
    }
    let (action, bytes) = match &request.goal {
        Goal::Push(archive) if !has => (Action::Update, archive.bytes),
        Goal::Push(_) | Goal::Activate(_) | Goal::UpdatersOnly => (Action::Update, 0),
        Goal::Back(_) | Goal::Undo(_) => (Action::Rollback, 0),
    };
    let detail = note.or_else(|| blank.detail.clone());
    PlannedHost { action, bytes, updater, detail, ..blank }
}

/// A host that has too little space for the archive.
fn without_room(host: &PlannedHost, needed: u64, free: u64) -> PlannedHost {
    PlannedHost {
        action: Action::Refuse,
        code: Some(Code::NoSpace.into()),
        detail: Some(no_space_detail(needed, free)),
        needed: Some(needed),
        free: Some(free),
        ..host.clone()
    }
}

/// The host's own copy of the release that it goes to.
struct HostCopy {
    /// Whether it has a whole one.
    has: bool,
    /// What is not so of the one that it runs, where the archive mends that.
    mends: Option<String>,
}

impl HostCopy {
    /// Without an archive, a damaged one is refused, with what is damaged.
    fn of(
        request: &RolloutRequest,
        kept: Option<&AppReleases>,
        (from, to): (Option<Digest>, Digest),
    ) -> Result<Self, String> {
        let short = to.short();
        let copy = kept.and_then(|kept| kept.releases.iter().find(|kept| kept.digest == to));
        let damage = copy.and_then(|copy| copy.damage.as_deref());
        let comes = matches!(request.goal, Goal::Push(_));
        let amiss = match (damage, copy, kept) {
            (Some(damage), ..) if !comes => {
                return Err(format!(
                    "its copy of {short} is damaged, {damage}; push its archive with: swarm update"
                ));
            }
            (Some(damage), ..) => {
                format!("its copy of {short} is damaged, and is sent anew: {damage}")
            }
            (None, Some(_), _) => return Ok(Self { has: true, mends: None }),
            (None, None, Some(_)) => {
                format!("it runs {short}, but its files are gone; it is sent anew")
            }
            (None, None, None) => format!(
                "its copy of {short} could not be looked through; it is sent anew if it is damaged"
            ),
        };
        Ok(Self { has: false, mends: Some(amiss).filter(|_| comes && from == Some(to)) })
    }
}

/// What happens besides to a program that does not run, or was not proven.
fn to_be_started(app: &AppReport, to: Digest) -> Option<String> {
    let active = app.active?;
    let (short, again) = (active.short(), active == to);
    match (app.is_stopped(), app.stranded) {
        (true, _) if again => {
            Some(format!("{short} was stopped on the host; its program will be started"))
        }
        (true, _) => Some(format!(
            "{short} was stopped on the host; the program of {} will be started",
            to.short()
        )),
        (false, true) if again => {
            Some(format!("{short} could not be proven; its program will be started again"))
        }
        (false, true) => Some(format!("{short} could not be proven")),
        (false, false) => None,
    }
}

/// Why the host would refuse to go there.
fn in_the_way(
    request: &RolloutRequest,
    kept: Option<&AppReleases>,
    to: Digest,
) -> Option<(Code, String)> {
    match kept?.releases.iter().find(|release| release.digest == to) {
        Some(release) if release.quarantined && !request.policy.options.retry_quarantined => {
            let why = release.failure.clone().unwrap_or_else(|| "it failed here".to_owned());
            Some((Code::Quarantined, why))
        }
        None if !matches!(request.goal, Goal::Push(_)) => {
            Some((Code::UnknownRelease, format!("it does not have {to}")))
        }
        _ => None,
    }
}
