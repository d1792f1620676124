//! `swarm list`: the hosts of the fleet.

use crate::cli::Context;
use crate::hosts::Host;
use crate::output::{Exit, Failure, Table};

/// Shows every host, those that were decommissioned too.
pub(super) fn run(context: &Context) -> Result<Exit, Failure> {
    let hosts = context.store.hosts()?;
    if context.output.json() {
        context.output.document(&hosts);
    } else if hosts.is_empty() {
        context.output.note("no hosts yet; run: swarm enroll");
    } else {
        context.output.data(&table(&hosts));
    }
    Ok(Exit::Success)
}

fn table(hosts: &[Host]) -> String {
    let mut table = Table::new(["HOST", "ADDRESS", "UPDATER", "AGENT", "LABELS", "NOTES"]);
    for host in hosts {
        let updater =
            host.skip_reason().map_or_else(|| host.updater_port.to_string(), str::to_owned);
        let agent = host.agent_port.map(|port| port.to_string()).unwrap_or_default();
        let labels: Vec<_> = host.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        table.row([
            host.name.as_str(),
            host.address.as_str(),
            &updater,
            &agent,
            &labels.join(" "),
            host.notes.as_deref().unwrap_or_default(),
        ]);
    }
    table.render()
}
