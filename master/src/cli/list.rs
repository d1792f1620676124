//! `swarm list`: the hosts of the fleet, and what a selection means.

use clap::Args;
use control::select::SelectError;
use explain::{Exit, Failure};
use store::Host;

use crate::cli::Context;
use crate::cli::selection::{SelectionOrAll, warn_of_names};
use crate::cli::table_args::TableArgs;
use crate::output::Table;

/// The words of `swarm list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Which hosts.
    #[command(flatten)]
    selection: SelectionOrAll,
    /// Which columns.
    #[command(flatten)]
    table: TableArgs,
}

impl ListArgs {
    /// Shows the hosts, those that were decommissioned too, in the order in which a command that
    /// is given the same selection takes them.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let known = context.store.hosts()?;
        warn_of_names(context, &known);
        let hosts = match self.selection.resolve(&known) {
            // Of those that left the fleet, the list is what remains.
            _ if self.selection.is_unsaid() => known,
            Ok(selected) => selected.into_iter().map(|selected| selected.host).collect(),
            Err(SelectError::NoHosts) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        if context.output.json() {
            context.output.document(&hosts);
        } else if hosts.is_empty() {
            context.output.note("no hosts yet; run: swarm enroll");
        } else {
            let table = self.table.applied(table(&hosts), &context.output)?;
            context.output.data(&table.render());
        }
        Ok(Exit::Success)
    }
}

fn table(hosts: &[Host]) -> Table {
    let headings = ["HOST", "ADDRESS", "UPDATER PORT", "AGENT PORT", "LABELS", "NOTES"];
    let mut table = Table::new(headings);
    for host in hosts {
        let updater =
            host.skip_reason().map_or_else(|| host.updater_port.to_string(), |it| it.to_string());
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
    table
}
