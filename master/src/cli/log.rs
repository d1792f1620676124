//! `swarm log`: who did what to a host, when, with what result.

use std::time::Duration;

use clap::Args;
use common::failed_to;
use control::fleet::{Fleet, LogEntry, host_history, host_log};
use control::rollout::ReleaseNames;
use control::updater_client::Timeouts;
use explain::{Exit, Failure};
use protocol::{AppName, HostHistoryEntry, HostName};
use store::{Event, EventType, Events, Host, SkipReason};

use crate::cli::Context;
use crate::cli::count::at_least_one;
use crate::cli::event_line::{full_line, short_line};
use crate::cli::on_host_line::on_host_line;
use crate::cli::runtime::block_on;
use crate::output::hanging;

/// How long a host is waited for: what the master has kept is shown without it too.
const PATIENCE: Duration = Duration::from_secs(5);

/// The words of `swarm log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// The host
    #[arg(value_name = "HOST")]
    host: HostName,

    /// Number of events, the latest ones
    #[arg(long, value_name = "N", default_value_t = 100, allow_negative_numbers = true,
        value_parser = at_least_one)]
    limit: u32,

    /// Show every phase of each update, as --verbose does
    #[arg(long)]
    phases: bool,

    /// Show all that is known of each event, each on one line: transactions, too
    #[arg(long)]
    full: bool,
}

/// Where what an event is about begins: below that its line goes on, where it is longer than the screen.
const BEHIND_TIME: usize = 22;

impl LogArgs {
    /// Shows a host's events, and what was done on it besides, the last one at the end.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let store = &context.store;
        let host = store.host(&self.host)?;
        let events = self.events(&host, context)?;
        let history = done_on(&host, context)?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let log = host_log(events, history, limit);
        if context.output.json() {
            let events = log.into_iter().map(|entry| entry.into_event(&host.name));
            context.output.document(&events.collect::<Vec<_>>());
            return Ok(Exit::Success);
        }
        let names = ReleaseNames::read(store)?;
        let lines: Vec<_> = log.iter().map(|entry| self.line(entry, &names, context)).collect();
        context.output.data(&lines.join("\n"));
        Ok(Exit::Success)
    }

    fn line(&self, entry: &LogEntry, names: &ReleaseNames, context: &Context) -> String {
        let line = match entry {
            LogEntry::Kept(event) if self.full => full_line(event, names),
            LogEntry::Kept(event) => short_line(event, names),
            LogEntry::OnHost(app, entry) => on_host_line(app, entry, names),
        };
        match context.output.columns().filter(|_| !self.full) {
            Some(columns) => hanging(&line, columns, BEHIND_TIME),
            None => line,
        }
    }
}

impl LogArgs {
    /// What the store has: a line an operation unless more is asked for, and the last phase of one that is
    /// under way. Programs get all of it.
    fn events(&self, host: &Host, context: &Context) -> Result<Vec<Event>, Failure> {
        let (store, name) = (&context.store, &host.name);
        if self.phases || context.output.verbose() || context.output.json() {
            return Ok(store.events(Events::Host(name), self.limit)?);
        }
        let mut events = store.events(Events::HostOperations(name), self.limit)?;
        let last = store.events(Events::Host(name), 1)?;
        events.extend(last.into_iter().filter(|event| event.kind == EventType::HostPhase));
        Ok(events)
    }
}

/// What the host tells of what was done on it. One that cannot be asked is noted.
fn done_on(host: &Host, context: &Context) -> Result<Vec<(AppName, HostHistoryEntry)>, Failure> {
    if matches!(host.skip_reason(), Some(SkipReason::Decommissioned | SkipReason::NoUpdater)) {
        return Ok(Vec::new());
    }
    let patience = context.timeouts.answer.min(PATIENCE);
    let fleet = Fleet::open(&context.home, &context.store, Timeouts::of(patience));
    let asked = match fleet.map(|fleet| fleet.client(host)) {
        Err(error) => Err(failed_to(&error)),
        Ok(Err(error)) => Err(error.one_line()),
        Ok(Ok(client)) => {
            block_on(host_history(&client, patience))?.map_err(|error| error.one_line())
        }
    };
    Ok(asked.unwrap_or_else(|why| {
        let name = &host.name;
        context.output.note(&format!(
            "what was done on {name} itself is not in this log, as it could not be asked: {why}"
        ));
        Vec::new()
    }))
}
