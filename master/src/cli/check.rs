//! `swarm check`: are the hosts there, and are they well?

use clap::Args;
use control::fleet::{AppStatus, Fleet, HostStatus, status};
use explain::{Exit, Failure, when_if};
use protocol::HostName;
use serde::Serialize;
use store::{Store, StoreError};
use time::OffsetDateTime;

use crate::cli::Context;
use crate::cli::runtime::block_on;
use crate::cli::selection::SelectionOrAll;
use crate::output::Table;

/// The words of `swarm check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    selection: SelectionOrAll,
}

/// How a host was found.
#[derive(Debug, Serialize)]
struct CheckedHost {
    host: HostName,
    /// Whether nothing is wrong.
    fine: bool,
    /// Whether it was left out; then nothing is known to be wrong.
    skipped: bool,
    /// What is wrong, or why it was left out.
    detail: Option<String>,
    updater_version: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    certificate_until: Option<OffsetDateTime>,
    apps: Vec<AppStatus>,
}

impl CheckArgs {
    /// Asks the hosts, all of them if none are named. Exits with 1 if one is not well.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { home, store, output, .. } = context;
        let selected = self.selection.resolve(&store.hosts()?)?;
        let members = Fleet::open(home, store, context.patience)?.members(&selected);
        let mut hosts = Vec::new();
        for host in block_on(status(members, Vec::new()))? {
            let until = certificate_until(store, &host.host)?;
            hosts.push(judge(host, until, (context.now)()));
        }
        if output.json() {
            output.document(&hosts);
        } else {
            output.data(&table(&hosts, output.columns()));
        }
        let fine = hosts.iter().all(|host| host.fine);
        Ok(if fine { Exit::Success } else { Exit::Failed })
    }
}

/// Until when the updater's pinned certificate holds; of two, the one in use.
fn certificate_until(store: &Store, name: &HostName) -> Result<Option<OffsetDateTime>, StoreError> {
    let pinned = store.host(name)?.pinned.current;
    let certificates = store.certificates(name)?;
    let current = certificates.iter().find(|known| Some(known.fingerprint) == pinned);
    Ok(current.map(|certificate| certificate.not_after))
}

fn judge(status: HostStatus, until: Option<OffsetDateTime>, now: OffsetDateTime) -> CheckedHost {
    let mut wrong = Vec::new();
    if let Some(until) = until.filter(|until| *until <= now) {
        wrong.push(format!("its certificate ended at {}", when_if(Some(until))));
    }
    wrong.extend(status.error);
    for app in &status.apps {
        if !app.healthy {
            let agent = app.agent.as_deref().unwrap_or("not known");
            wrong.push(format!("{}: its agent should run, and is {agent}", app.app));
        }
        wrong.extend(app.warnings.iter().map(|warning| format!("{}: {warning}", app.app)));
    }
    let (fine, detail) = match status.skipped {
        Some(reason) => (true, Some(reason.to_owned())),
        None if wrong.is_empty() => (true, None),
        None => (false, Some(wrong.join("; "))),
    };
    CheckedHost {
        host: status.host,
        fine,
        skipped: status.skipped.is_some(),
        detail,
        updater_version: status.updater_version,
        certificate_until: until,
        apps: status.apps,
    }
}

fn table(hosts: &[CheckedHost], columns: Option<usize>) -> String {
    let headings = ["HOST", "CHECK", "UPDATER", "CERTIFICATE UNTIL", "AGENT", "DETAIL"];
    let mut table = Table::new(headings).within(columns);
    for host in hosts {
        let agents: Vec<_> = host
            .apps
            .iter()
            .map(|app| format!("{} {}", app.app, app.agent.as_deref().unwrap_or("not known")))
            .collect();
        let verdict = match host {
            CheckedHost { skipped: true, .. } => "skipped",
            CheckedHost { fine: true, .. } => "fine",
            _ => "not fine",
        };
        table.row([
            host.host.as_str(),
            verdict,
            host.updater_version.as_deref().unwrap_or_default(),
            &when_if(host.certificate_until),
            &agents.join(", "),
            host.detail.as_deref().unwrap_or_default(),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use protocol::Phase;
    use testing::at;

    use super::*;

    fn app(agent: &str, healthy: bool) -> AppStatus {
        AppStatus {
            app: "agent".parse().unwrap(),
            state: Some(Phase::Idle),
            since: None,
            agent: Some(agent.to_owned()),
            healthy,
            active: None,
            prev: None,
            desired: None,
            drift: false,
            last: None,
            warnings: Vec::new(),
        }
    }

    fn status(name: &str) -> HostStatus {
        HostStatus {
            host: name.parse().unwrap(),
            skipped: None,
            reachable: true,
            error: None,
            updater_version: Some("0.1.0".to_owned()),
            updater_digest: None,
            apps: vec![app("running", true)],
        }
    }

    #[test]
    fn what_is_wrong_is_said_host_by_host() {
        let lost = HostStatus {
            reachable: false,
            error: Some("failed to connect to 10.0.0.12:8766: Connection refused".to_owned()),
            updater_version: None,
            apps: Vec::new(),
            ..status("web-2")
        };
        let dead = HostStatus { apps: vec![app("dead", false)], ..status("web-3") };
        let out = HostStatus { skipped: Some("decommissioned"), ..lost.clone() };
        let out = HostStatus { host: "web-5".parse().unwrap(), error: None, ..out };
        let hosts = [
            judge(status("web-1"), Some(at(1000)), at(0)),
            judge(lost, Some(at(1000)), at(0)),
            judge(dead, Some(at(1000)), at(0)),
            judge(status("web-4"), Some(at(-1)), at(0)),
            judge(out, None, at(0)),
        ];
        assert_eq!(hosts.each_ref().map(|host| host.fine), [true, false, false, false, true]);
        insta::assert_snapshot!(table(&hosts, None));
        let narrow = table(&hosts, Some(80));
        assert!(narrow.lines().all(|line| line.len() <= 80), "{narrow}");
    }
}
