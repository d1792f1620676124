//! `swarm list`: the hosts of the fleet, and what a selection means.

use api::HostRecord;
use clap::Args;
use control::select::SelectError;
use explain::{Exit, Failure};
use store::{Host, SkipReason};

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
            let records: Vec<_> = hosts.iter().map(HostRecord::of).collect();
            context.output.document(&records);
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
    let mut table = Table::new(headings).spare(&[3]);
    for host in hosts {
        let (updater, held) = match host.skip_reason() {
            None => (host.updater_port.to_string(), None),
            Some(held @ SkipReason::Held(_)) => ("held".to_owned(), Some(held.to_string())),
            Some(reason) => (reason.to_string(), None),
        };
        let notes: Vec<_> = held.into_iter().chain(host.notes.clone()).collect();
        let agent = host.agent_port.map(|port| port.to_string()).unwrap_or_default();
        let labels: Vec<_> = host.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        table.row([
            host.name.as_str(),
            host.address.as_str(),
            &updater,
            &agent,
            &labels.join(" "),
            &notes.join("; "),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use store::{Hold, Pinned};
    use testing::at;

    use super::*;

    #[test]
    fn a_list_fits_every_screen() {
        let host = |name: &str, notes: Option<&str>| Host {
            name: name.parse().unwrap(),
            address: "10.0.0.11".parse().unwrap(),
            has_updater: true,
            updater_port: 8766,
            agent_port: Some(8765),
            sans: Vec::new(),
            labels: BTreeMap::from([
                ("role".to_owned(), "web".to_owned()),
                ("zone".to_owned(), "fra-1".to_owned()),
            ]),
            pinned: Pinned::default(),
            enrolled_at: at(0),
            decommissioned_at: None,
            notes: notes.map(str::to_owned),
            held: None,
        };
        let because = "its disk is replaced".to_owned();
        let held = Some(Hold { because, who: "ada".to_owned(), since: at(0), until: None });
        let hosts = [
            host("web-1.fra.example.org", Some("in the second rack from the left")),
            Host { held, ..host("web-2.fra.example.org", None) },
            Host { decommissioned_at: Some(at(9)), labels: BTreeMap::new(), ..host("db-1", None) },
        ];
        for columns in [40, 80, 120, 220] {
            let text = table(&hosts).within(Some(columns)).render();
            assert!(text.lines().all(|line| line.len() <= columns), "{text}");
            insta::assert_snapshot!(format!("list_{columns}"), text);
        }
    }
}
