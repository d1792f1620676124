//! `swarm status`: what runs where, and whether it should.

use std::fmt::Write as _;

use clap::Args;
use control::fleet::{AppStatus, Fleet, HostStatus, status};
use control::rollout::ReleaseNames;
use explain::{Exit, Failure, plain};

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
    let known = store.hosts()?;
    let selected = arguments.selection.resolve(&known)?;
    let members = Fleet::open(home, store, context.timeouts)?.members(&selected);
    let mut desired = Vec::new();
    for selected in &selected {
        desired.extend(store.desired(&selected.host.name)?);
    }
    let hosts = block_on(status(members, desired))?;
    if output.json() {
        output.document(&hosts);
    } else {
        output.data(&text(&hosts, ReleaseNames::read(store)?, output.columns()));
    }
    warn_of_names(context, &known);
    announce(context)?;
    Ok(exit(&hosts))
}

/// A host that is not as it should be, for whatever reason, fails the command.
fn exit(hosts: &[HostStatus]) -> Exit {
    if hosts.iter().all(HostStatus::is_well) { Exit::Success } else { Exit::Failed }
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
            table.row([host.host.as_str(), "", state, "", "", "", "", ""]);
            let _infallible = writeln!(notes, "{}: {}", host.host, plain(error));
        }
        for warning in &host.warnings {
            let _infallible = writeln!(notes, "{}: {}", host.host, plain(warning));
        }
        let updater = host.updater_version.as_deref().unwrap_or_default();
        for app in &host.apps {
            row(&mut table, host, app, updater, &names);
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

fn row(table: &mut Table, host: &HostStatus, app: &AppStatus, updater: &str, names: &ReleaseNames) {
    let desired = names.of(app.desired.as_ref());
    let should = if app.drift { format!("{desired} (drift)") } else { desired };
    table.row([
        host.host.as_str(),
        app.app.as_str(),
        app.state.map_or("gone", |phase| phase.into_str()),
        &app.agent.as_ref().map(ToString::to_string).unwrap_or_default(),
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
}
