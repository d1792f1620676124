//! The screen of `swarm status`: a row an app, what is to be said of each host, and the totals.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use control::fleet::{AppStatus, HostStatus};
use control::rollout::ReleaseNames;
use explain::{plain, span, when};
use protocol::AgentState;
use time::OffsetDateTime;

use crate::output::{Style, Table, Tone, hanging, wrapped};

/// So many hosts that are not as they should be are named in the totals.
const NAMED: usize = 10;
/// A note goes on so far to the right below its first line.
const BELOW: usize = 2;

/// What the hosts call the releases that they run.
pub(super) fn learned(mut names: ReleaseNames, hosts: &[HostStatus]) -> ReleaseNames {
    for active in hosts.iter().flat_map(|host| &host.apps).filter_map(|app| app.active.as_ref()) {
        names.learn(active.digest, active.version.as_deref());
    }
    names
}

/// A row an app: hosts that are not as they should be first, then those that run the same together.
pub(super) fn table(hosts: &[HostStatus], names: &ReleaseNames, now: OffsetDateTime) -> Table {
    let headings = [
        "HOST",
        "APP",
        "STATE",
        "AGENT",
        "RUNS",
        "PREV",
        "SHOULD RUN",
        "RESTARTS",
        "AGE",
        "UPDATER",
    ];
    let apps: BTreeSet<_> = hosts.iter().flat_map(|host| &host.apps).map(|app| &app.app).collect();
    // Without the updater's version first; the app's name goes only where there is one.
    // What should run goes where nothing else runs.
    let drifts = hosts.iter().any(|host| !host.reachable || host.apps.iter().any(|app| app.drift));
    let spare = [Some(9), Some(5), (apps.len() < 2).then_some(1), (!drifts).then_some(6)];
    let spare: Vec<_> = spare.into_iter().flatten().chain([8, 7]).collect();
    let mut table = Table::new(headings).spare(&spare);
    let runs = |host: &HostStatus| {
        let active = host.apps.first().and_then(|app| app.active.as_ref());
        names.of(active.map(|active| &active.digest))
    };
    let mut sorted: Vec<_> = hosts.iter().collect();
    sorted.sort_by_key(|host| (host.is_well(), host.skipped.is_some(), runs(host), &host.host));
    for host in sorted {
        let updater = updater(host, hosts);
        if host.skipped.is_some() {
            table.row([host.host.as_str(), "", "skipped", "", "", "", "", "", "", ""]);
            table.tone(2, Tone::Faint);
        } else if host.error.is_some() {
            let state = if host.reachable { "bad answer" } else { "unreachable" };
            let should: Vec<_> =
                host.apps.iter().map(|app| names.of(app.desired.as_ref())).collect();
            let should = should.join(", ");
            table.row([host.host.as_str(), "", state, "", "", "", &should, "", "", ""]);
            table.tone(2, Tone::Bad);
        }
        for app in host.apps.iter().filter(|_| host.reachable) {
            row(&mut table, host, app, &updater, names, now);
        }
    }
    table
}

fn row(
    table: &mut Table,
    host: &HostStatus,
    app: &AppStatus,
    updater: &str,
    names: &ReleaseNames,
    now: OffsetDateTime,
) {
    let desired = names.of(app.desired.as_ref());
    let should = match (app.drift, &host.held) {
        (true, None) => format!("{desired} (drift)"),
        (true, Some(_)) => format!("{desired} (held)"),
        (false, _) => desired,
    };
    let restarts = app.state.map(|_| app.died.as_ref().map_or(0, |death| death.times).to_string());
    let age = |since: OffsetDateTime| {
        let seconds = u64::try_from((now - since).whole_seconds()).unwrap_or(0);
        if seconds < 60 { format!("{seconds} s") } else { span(seconds * 1000) }
    };
    table.row([
        host.host.as_str(),
        app.app.as_str(),
        app.state.map_or("gone", |phase| phase.into_str()),
        &app.agent.as_ref().map(agent_words).unwrap_or_default(),
        &names.of(app.active.as_ref().map(|active| &active.digest)),
        &names.of(app.prev.as_ref()),
        &should,
        &restarts.unwrap_or_default(),
        &app.since.map(age).unwrap_or_default(),
        updater,
    ]);
    table.tone(3, if app.healthy { Tone::Good } else { Tone::Bad });
    let is_worn = app.died.is_some();
    table.tone(7, if is_worn { Tone::Warning } else { Tone::Plain });
    if app.drift {
        table.tone(6, Tone::Warning);
    }
}

/// What is to be said of a host, a line each; on a screen, what is longer goes on below, to the right.
pub(super) fn notes(
    host: &HostStatus,
    heard: Option<OffsetDateTime>,
    columns: Option<usize>,
) -> String {
    let mut lines = Vec::new();
    lines.extend(host.held.clone());
    lines.extend(host.skipped.clone().or_else(|| host.error.clone()));
    if let Some(heard) = heard {
        lines.push(format!("it was last heard of {}", when(heard)));
    }
    lines.extend(host.warnings.iter().cloned());
    let mut text = String::new();
    let mut line = |of: &str, said: &str| {
        let line = format!("{of}: {}", plain(said));
        let line = columns.map_or_else(|| line.clone(), |columns| hanging(&line, columns, BELOW));
        let _infallible = writeln!(text, "{line}");
    };
    for said in &lines {
        line(host.host.as_str(), said);
    }
    for app in &host.apps {
        let of = format!("{} {}", host.host, app.app);
        let stopped = app.is_stopped().then(|| app.why_stopped());
        let complaints = app.complaints().into_iter().chain(app.survived());
        for said in app.drift_words().into_iter().chain(stopped).chain(complaints) {
            line(&of, &said);
        }
    }
    text
}

/// How many hosts run what, and which ones are not as they should be.
pub(super) fn totals(
    hosts: &[HostStatus],
    names: &ReleaseNames,
    columns: Option<usize>,
    style: Style,
) -> String {
    let mut runs: BTreeMap<_, usize> = BTreeMap::new();
    for app in hosts.iter().filter(|host| host.reachable).flat_map(|host| &host.apps) {
        let release = names.of(app.active.as_ref().map(|active| &active.digest));
        *runs.entry((&app.app, release)).or_default() += 1;
    }
    let apps: BTreeSet<_> = runs.keys().map(|(app, _)| *app).collect();
    let counted = runs.iter().map(|((app, release), count)| {
        let run = if *count == 1 { "runs" } else { "run" };
        let release = if release.is_empty() { "nothing" } else { release };
        let app = if apps.len() > 1 { format!(" as {app}") } else { String::new() };
        format!("{count} {run} {release}{app}")
    });
    let silent = hosts.iter().filter(|host| !host.reachable && host.skipped.is_none()).count();
    let skipped = hosts.iter().filter(|host| host.skipped.is_some()).count();
    let others = [(silent, "unreachable"), (skipped, "skipped")];
    let others = others.iter().filter(|(count, _)| *count > 0);
    let others = others.map(|(count, word)| format!("{count} {word}"));
    let counted: Vec<_> = counted.chain(others).collect();
    let plural = if hosts.len() == 1 { "host" } else { "hosts" };
    let all = plain(&format!("{} {plural}: {}", hosts.len(), counted.join(", ")));
    let bad: Vec<_> =
        hosts.iter().filter(|host| !host.is_well()).map(|host| host.host.as_str()).collect();
    let mut text = fitted(&all, Tone::Plain, columns, style);
    if !bad.is_empty() {
        text.push_str(&fitted(&not_well(&bad), Tone::Bad, columns, style));
    }
    text
}

/// `3 are not as they should be: web-1, web-2, web-3`
fn not_well(bad: &[&str]) -> String {
    let shown = bad.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = bad.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    match bad.len() {
        1 => format!("1 is not as it should be: {shown}"),
        count => format!("{count} are not as they should be: {shown}{more}"),
    }
}

fn fitted(line: &str, tone: Tone, columns: Option<usize>, style: Style) -> String {
    let parts = columns.map_or_else(|| vec![line.to_owned()], |columns| wrapped(line, columns));
    parts.iter().flat_map(|part| [style.paint(tone, part), "\n".to_owned()]).collect()
}

/// The updater's version, and its digest where other hosts run another one of the same version.
fn updater(host: &HostStatus, hosts: &[HostStatus]) -> String {
    let version = host.updater_version.clone().unwrap_or_default();
    let same = |other: &&HostStatus| other.updater_version == host.updater_version;
    let differs =
        hosts.iter().filter(same).any(|other| other.updater_digest != host.updater_digest);
    match host.updater_digest {
        Some(digest) if differs => format!("{version} ({})", digest.short()),
        _ => version,
    }
}

fn agent_words(agent: &AgentState) -> String {
    match agent {
        AgentState::NoProcess => "no process".to_owned(),
        agent => agent.to_string(),
    }
}

#[cfg(test)]
mod tests;
