//! `swarm check`: are the hosts there, and are they well?

use api::CheckDocument;
use clap::Args;
use control::fleet::{CheckedHost, Fleet, check};
use control::master_identity::{Standing, certificate_validity};
use explain::{Exit, Failure, when_if};

use crate::cli::Context;
use crate::cli::renew::announce;
use crate::cli::runtime::block_on;
use crate::cli::selection::{SelectionOrAll, warn_of_names};
use crate::cli::table_args::TableArgs;
use crate::output::{Table, Tone};

/// The words of `swarm check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    selection: SelectionOrAll,
    /// Which columns.
    #[command(flatten)]
    table: TableArgs,
}

impl CheckArgs {
    /// Asks the hosts, all of them if none are named. Exits with 1 if one is not well, or if the
    /// master's own certificate is about to end.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { home, store, output, .. } = context;
        let known = store.hosts()?;
        let selected = self.selection.resolve(&known)?;
        let members = Fleet::open(home, store, context.timeouts)?.members(&selected);
        let hosts = block_on(check(store, members, (&context.who, context.now)))??;
        if output.json() {
            let until = certificate_validity(home)?.until;
            let document = |checked| CheckDocument { checked, master_certificate_until: until };
            output.document(&hosts.iter().map(document).collect::<Vec<_>>());
        } else {
            output.data(&self.table.applied(table(&hosts), output)?.render());
            if !self.table.is_for_programs() {
                output.data(&totals(&hosts));
            }
        }
        warn_of_names(context, &known);
        let fine = announce(context)? != Standing::Urgent && hosts.iter().all(|host| host.fine);
        Ok(if fine { Exit::Success } else { Exit::Failed })
    }
}

/// A row a host, those that are not fine first.
fn table(hosts: &[CheckedHost]) -> Table {
    let headings = ["HOST", "CHECK", "UPDATER", "CERTIFICATE UNTIL", "AGENT", "DETAIL"];
    let mut table = Table::new(headings).spare(&[2, 3]);
    let mut sorted: Vec<_> = hosts.iter().collect();
    sorted.sort_by_key(|host| (host.fine, host.skipped));
    for host in sorted {
        let agents: Vec<_> = host
            .apps
            .iter()
            .map(|app| (app.app.as_str(), app.agent.as_ref().map(ToString::to_string)))
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
            &agents_in_short(&agents),
            host.detail.as_deref().unwrap_or_default(),
        ]);
        let tone = match host {
            CheckedHost { skipped: true, .. } => Tone::Faint,
            CheckedHost { fine: true, .. } => Tone::Good,
            _ => Tone::Bad,
        };
        table.tone(1, tone);
    }
    table
}

/// `12 hosts: 10 fine, 1 not fine, 1 skipped`
fn totals(hosts: &[CheckedHost]) -> String {
    let skipped = hosts.iter().filter(|host| host.skipped).count();
    let fine = hosts.iter().filter(|host| host.fine && !host.skipped).count();
    let bad = hosts.len() - skipped - fine;
    let counts = [(bad, "not fine"), (fine, "fine"), (skipped, "skipped")];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts.map(|(count, word)| format!("{count} {word}")).collect();
    let plural = if hosts.len() == 1 { "host" } else { "hosts" };
    format!("\n{} {plural}: {}", hosts.len(), counts.join(", "))
}

/// The agents of a host, which may have thousands: of more than a few those that do not run, and how many do.
fn agents_in_short(agents: &[(&str, Option<String>)]) -> String {
    const MOST: usize = 3;
    let words = |(app, agent): &(&str, Option<String>)| {
        let word = match agent.as_deref() {
            Some("none") => "has no release yet",
            Some(word) => word,
            None => "not known",
        };
        format!("{app} {word}")
    };
    if agents.len() <= MOST {
        return agents.iter().map(words).collect::<Vec<_>>().join(", ");
    }
    let runs = |(_, agent): &&(&str, Option<String>)| agent.as_deref() == Some("running");
    let (running, others): (Vec<_>, Vec<_>) = agents.iter().partition(runs);
    let mut shown: Vec<_> = others.iter().take(MOST).map(|agent| words(agent)).collect();
    let more = others.len().saturating_sub(MOST);
    shown.extend((more > 0).then(|| format!("{more} more not running")));
    shown.extend((!running.is_empty()).then(|| format!("{} running", running.len())));
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use control::fleet::{AppStatus, HostStatus};
    use protocol::{AgentState, Phase};
    use testing::at;

    use super::*;

    #[test]
    fn a_cell_of_many_agents_is_bounded() {
        let running = || Some("running".to_owned());
        assert_eq!(
            agents_in_short(&[("web", running()), ("job", None)]),
            "web running, job not known"
        );
        let fresh = [("web", Some("none".to_owned()))];
        assert_eq!(agents_in_short(&fresh), "web has no release yet");
        let mut agents = vec![("app", running()); 25];
        assert_eq!(agents_in_short(&agents), "25 running");
        agents.push(("db", Some("dead".to_owned())));
        assert_eq!(agents_in_short(&agents), "db dead, 25 running");
        agents.extend(vec![("job", Some("stopped".to_owned())); 3000]);
        let shown = "db dead, job stopped, job stopped, 2998 more not running, 25 running";
        assert_eq!(agents_in_short(&agents), shown);
    }

    fn app(agent: AgentState, healthy: bool) -> AppStatus {
        AppStatus {
            app: "agent".parse().unwrap(),
            state: Some(Phase::Idle),
            since: None,
            agent: Some(agent),
            stopped_since: None,
            healthy,
            reason: None,
            probe: None,
            died: None,
            active: None,
            prev: None,
            desired: None,
            desired_version: None,
            drift: false,
            drift_reason: None,
            missed: None,
            last: None,
            warnings: Vec::new(),
            start_refused: None,
        }
    }

    fn status(name: &str) -> HostStatus {
        HostStatus {
            host: name.parse().unwrap(),
            labels: BTreeMap::new(),
            skipped: None,
            held: None,
            reachable: true,
            error: None,
            updater_version: Some("0.1.0".to_owned()),
            updater_digest: None,
            rollout: None,
            warnings: Vec::new(),
            apps: vec![app(AgentState::Running, true)],
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
        let dead = HostStatus { apps: vec![app(AgentState::Dead, false)], ..status("web-3") };
        let out = HostStatus { skipped: Some("decommissioned".to_owned()), ..lost.clone() };
        let out = HostStatus { host: "web-5".parse().unwrap(), error: None, ..out };
        let hosts = [
            CheckedHost::of(status("web-1"), Some(at(1000)), at(0)),
            CheckedHost::of(lost, Some(at(1000)), at(0)),
            CheckedHost::of(dead, Some(at(1000)), at(0)),
            CheckedHost::of(status("web-4"), Some(at(-1)), at(0)),
            CheckedHost::of(out, None, at(0)),
        ];
        assert_eq!(hosts.each_ref().map(|host| host.fine), [true, false, false, false, true]);
        insta::assert_snapshot!(format!("{}{}", table(&hosts).render(), totals(&hosts)));
        for columns in [40, 80, 120, 220] {
            let text = table(&hosts).within(Some(columns)).render();
            insta::assert_snapshot!(format!("check_{columns}"), text);
        }
        let narrow = table(&hosts).within(Some(80)).render();
        assert!(narrow.lines().all(|line| line.len() <= 80), "{narrow}");
    }
}
