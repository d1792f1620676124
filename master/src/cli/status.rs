//! `swarm status`: what runs where, and whether it should.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::Args;
use control::fleet::{AppStatus, Fleet, HostStatus, MetCertificates, known, status};
use control::rollout::{ReleaseNames, rollout_status};
use engine::describe_rollout;
use explain::{Exit, Failure, plain};
use protocol::AgentState;
use store::RolloutId;

use crate::cli::Context;
use crate::cli::renew::announce;
use crate::cli::runtime::block_on;
use crate::cli::selection::{SelectionOrAll, warn_of_names};
use crate::output::Table;

/// The words of `swarm status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Which hosts.
    #[command(flatten)]
    pub selection: SelectionOrAll,
}

/// Asks the hosts. Exits with 1 if one is not as it should be.
pub(super) fn run(arguments: &StatusArgs, context: &Context) -> Result<Exit, Failure> {
    let Context { home, store, output, .. } = context;
    let all = store.hosts()?;
    let selected = arguments.selection.resolve(&all)?;
    let members = Fleet::open(home, store, context.timeouts)?.members(&selected);
    let known = known(store, selected.iter().map(|selected| &selected.host.name))?;
    let met = MetCertificates::of(&members);
    let hosts = block_on(status(members, known))?;
    met.keep(store, &context.who, (context.now)())?;
    if output.json() {
        output.document(&hosts);
    } else {
        output.data(&text(&hosts, ReleaseNames::read(store)?, output.columns()));
        let open: BTreeSet<_> =
            hosts.iter().filter_map(|host| host.rollout.as_ref()).map(|held| held.id).collect();
        for id in open {
            output.data(&open_rollout(context, id)?);
        }
    }
    warn_of_names(context, &all);
    announce(context)?;
    Ok(exit(&hosts))
}

/// A host that is not as it should be, for whatever reason, fails the command.
fn exit(hosts: &[HostStatus]) -> Exit {
    if hosts.iter().all(HostStatus::is_well) { Exit::Success } else { Exit::Failed }
}

/// Where a rollout stands that is not over.
fn open_rollout(context: &Context, id: RolloutId) -> Result<String, Failure> {
    let Context { store, now, .. } = context;
    let status = rollout_status(store, store.rollout(id)?, now())?;
    let stands = status.abandoned().unwrap_or_else(|| describe_rollout(&status.state));
    let asked = ReleaseNames::read(store)?.asked(&status.rollout);
    Ok(plain(&format!("rollout {} ({asked}): {stands}", id.short())))
}

fn text(hosts: &[HostStatus], mut names: ReleaseNames, columns: Option<usize>) -> String {
    for active in hosts.iter().flat_map(|host| &host.apps).filter_map(|app| app.active.as_ref()) {
        names.learn(active.digest, active.version.as_deref());
    }
    let headings = ["HOST", "APP", "STATE", "AGENT", "RUNS", "PREV", "SHOULD RUN", "UPDATER"];
    // Without the updater's version, and then without the release before.
    let mut table = Table::new(headings).within(columns).spare(&[7, 5]);
    let mut notes = String::new();
    for host in hosts {
        if let Some(reason) = &host.held {
            let _infallible = writeln!(notes, "{}: {}", host.host, plain(reason));
        }
        if let Some(reason) = &host.skipped {
            table.row([host.host.as_str(), "", "skipped", "", "", "", "", ""]);
            let _infallible = writeln!(notes, "{}: {reason}", host.host);
        } else if let Some(error) = &host.error {
            let state = if host.reachable { "bad answer" } else { "unreachable" };
            let should: Vec<_> =
                host.apps.iter().map(|app| names.of(app.desired.as_ref())).collect();
            let should = should.join(", ");
            table.row([host.host.as_str(), "", state, "", "", "", &should, ""]);
            let _infallible = writeln!(notes, "{}: {}", host.host, plain(error));
        }
        for warning in &host.warnings {
            let _infallible = writeln!(notes, "{}: {}", host.host, plain(warning));
        }
        let updater = updater(host, hosts);
        for app in &host.apps {
            if host.reachable {
                row(&mut table, host, app, &updater, &names);
            }
            if let Some(drift) = app.drift_words() {
                let _infallible = writeln!(notes, "{} {}: {}", host.host, app.app, plain(&drift));
            }
            if app.is_stopped() {
                let how = plain(&app.why_stopped());
                let _infallible = writeln!(notes, "{} {}: {how}", host.host, app.app);
            }
            for complaint in app.complaints().into_iter().chain(app.survived()) {
                let said = plain(&complaint);
                let _infallible = writeln!(notes, "{} {}: {said}", host.host, app.app);
            }
        }
    }
    let gap = if notes.is_empty() { "" } else { "\n" };
    format!("{}{gap}{notes}", table.render())
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

fn row(table: &mut Table, host: &HostStatus, app: &AppStatus, updater: &str, names: &ReleaseNames) {
    let desired = names.of(app.desired.as_ref());
    let should = match (app.drift, &host.held) {
        (true, None) => format!("{desired} (drift)"),
        (true, Some(_)) => format!("{desired} (held)"),
        (false, _) => desired,
    };
    table.row([
        host.host.as_str(),
        app.app.as_str(),
        app.state.map_or("gone", |phase| phase.into_str()),
        &app.agent.as_ref().map(agent_words).unwrap_or_default(),
        &names.of(app.active.as_ref().map(|active| &active.digest)),
        &names.of(app.prev.as_ref()),
        &should,
        updater,
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_which_nothing_is_known_fails_the_command() {
        let status = |error: Option<&str>| HostStatus {
            host: "web-1".parse().unwrap(),
            skipped: None,
            held: None,
            reachable: error.is_none(),
            error: error.map(str::to_owned),
            updater_version: None,
            updater_digest: None,
            rollout: None,
            warnings: Vec::new(),
            apps: Vec::new(),
        };
        let broken = status(Some("failed to ask this host: swarm itself failed"));
        assert_eq!(exit(&[status(None)]), Exit::Success);
        assert_eq!(exit(&[status(None), broken.clone()]), Exit::Failed);
        let shown = text(&[broken], ReleaseNames::default(), None);
        assert!(
            shown.contains("\nweb-1: failed to ask this host: swarm itself failed\n"),
            "{shown}"
        );
    }

    #[test]
    fn an_updater_is_told_from_another_of_its_version() {
        let status = |name: &str, version: &str, digest: u8| HostStatus {
            host: name.parse().unwrap(),
            skipped: None,
            reachable: true,
            error: None,
            updater_version: Some(version.to_owned()),
            updater_digest: Some(protocol::Digest::from_bytes([digest; 32])),
            held: None,
            warnings: Vec::new(),
            rollout: None,
            apps: Vec::new(),
        };
        let hosts = [status("a", "1.0", 1), status("b", "1.0", 2), status("c", "1.1", 3)];
        let shown = hosts.each_ref().map(|host| updater(host, &hosts));
        assert_eq!(shown, ["1.0 (01010101)", "1.0 (02020202)", "1.1"]);
    }
}
