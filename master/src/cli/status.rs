//! `swarm status`: what runs where, and whether it should.

use std::collections::BTreeSet;

use clap::Args;
use control::fleet::{Fleet, HostStatus, MetCertificates, known, status};
use control::rollout::{ReleaseNames, rollout_status};
use engine::describe_rollout;
use explain::{Exit, Failure, plain};
use store::{EventType, Events, RolloutId, Store, StoreError};
use time::OffsetDateTime;

use crate::cli::Context;
use crate::cli::renew::announce;
use crate::cli::runtime::block_on;
use crate::cli::selection::{SelectionOrAll, warn_of_names};
use crate::cli::status_view::{learned, notes, table, totals};
use crate::cli::table_args::TableArgs;

/// So many of a host's events are looked at for its last word.
const LOOKED_AT: u32 = 50;

/// The words of `swarm status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Which hosts.
    #[command(flatten)]
    pub selection: SelectionOrAll,
    /// Which columns.
    #[command(flatten)]
    pub table: TableArgs,
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
    let names = learned(ReleaseNames::read(store)?, &hosts);
    if output.json() {
        output.naming(&names).document(&hosts);
    } else {
        let heard = |host: &HostStatus| last_heard(store, host);
        let table = table(&hosts, &names, (context.now)());
        output.data(&arguments.table.applied(table, output)?.render());
        if arguments.table.is_for_programs() {
            return Ok(exit(&hosts));
        }
        let notes = hosts.iter().map(|host| Ok(notes(host, heard(host)?, output.columns())));
        let notes = notes.collect::<Result<Vec<_>, StoreError>>()?.concat();
        let gap = if notes.is_empty() { "" } else { "\n" };
        let totals = totals(&hosts, &names, output.columns(), output.style());
        output.data(&format!("{gap}{notes}\n{totals}"));
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

/// When a host that does not answer last answered something that was kept.
fn last_heard(store: &Store, host: &HostStatus) -> Result<Option<OffsetDateTime>, StoreError> {
    if host.reachable || host.skipped.is_some() {
        return Ok(None);
    }
    let events = store.events(Events::Host(&host.host), LOOKED_AT)?;
    let is_its_word = |kind: &EventType| {
        matches!(kind, EventType::HostPhase | EventType::HostUpdated | EventType::HostRolledBack)
    };
    Ok(events.iter().rfind(|event| is_its_word(&event.kind)).map(|event| event.time))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_host_of_which_nothing_is_known_fails_the_command() {
        let status = |error: Option<&str>| HostStatus {
            host: "web-1".parse().unwrap(),
            labels: BTreeMap::new(),
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
        assert_eq!(exit(&[status(None), broken]), Exit::Failed);
    }
}
