//! `swarm log`: who did what to a host, when, with what result.

use std::time::Duration;

use clap::Args;
use common::failed_to;
use control::fleet::{Fleet, LogEntry, host_history, host_log};
use control::rollout::ReleaseNames;
use control::updater_client::Timeouts;
use explain::{Exit, Failure, plain, when};
use protocol::{AppName, Digest, HostHistoryEntry, HostName};
use serde_json::Value;
use store::{Event, EventType, Events, Host, SkipReason};
use time::OffsetDateTime;

use crate::cli::Context;
use crate::cli::on_host_line::on_host_line;
use crate::cli::runtime::block_on;

/// How long a host is waited for: what the master has kept is shown without it too.
const PATIENCE: Duration = Duration::from_secs(5);

/// The words of `swarm log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// The host
    #[arg(value_name = "HOST")]
    host: HostName,

    /// How many of the last events
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,

    /// Show each phase that an update went through as well
    #[arg(long, short = 'v')]
    phases: bool,
}

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
        let lines: Vec<_> = log
            .iter()
            .map(|entry| match entry {
                LogEntry::Kept(event) => line(event, &names),
                LogEntry::OnHost(app, entry) => on_host_line(app, entry, &names),
            })
            .collect();
        context.output.data(&lines.join("\n"));
        Ok(Exit::Success)
    }
}

impl LogArgs {
    /// What the store has: a line an operation unless more is asked for, and the last phase of one that is
    /// under way. Programs get all of it.
    fn events(&self, host: &Host, context: &Context) -> Result<Vec<Event>, Failure> {
        let (store, name) = (&context.store, &host.name);
        if self.phases || context.output.json() {
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

/// One event on one line: time, type, who, release, and the rest as `key=value`.
pub(super) fn line(event: &Event, names: &ReleaseNames) -> String {
    let mut words = vec![when(event.time), format!("{:<20}", event.kind.name()), event.who.clone()];
    if event.release.is_some() {
        words.push(format!("release {}", names.of(event.release.as_ref())));
    }
    if let Value::Object(data) = &event.data {
        // What a build printed is many lines, and so is a drill; `--json` has them. The host is the one that
        // was asked for.
        let short = |(key, value): &(&String, &Value)| {
            let is_said = key.as_str() == "code" && data.get("outcome") == Some(*value);
            !["output", "report", "host"].contains(&key.as_str()) && !is_empty(value) && !is_said
        };
        words.extend(data.iter().filter(short).map(|(key, value)| word(key, value, names)));
    }
    plain(&words.join("  "))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn word(key: &str, value: &Value, names: &ReleaseNames) -> String {
    let digest = value.as_str().and_then(|text| text.parse::<Digest>().ok());
    match value {
        Value::String(_) if digest.is_some() => format!("{key}={}", names.of(digest.as_ref())),
        Value::String(text) => format!("{key}={text}"),
        Value::Number(seconds) if key == "not_after" => {
            let until = seconds.as_i64().map(OffsetDateTime::from_unix_timestamp);
            format!("{key}={}", until.and_then(Result::ok).map(when).unwrap_or_default())
        }
        other => format!("{key}={other}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testing::at;

    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_a_host_said() {
        let event = Event {
            release: Some(Digest::from_bytes([7; 32])),
            data: json!({
                "code": "build_failed", "detail": "no such module\n\u{1b}[31mfoo", "from": null,
                "duration_ms": 1200, "output": ["a", "b"], "host": "web-1",
            }),
            ..Event::new(EventType::HostFailed, at(0), "ada")
        };
        insta::assert_snapshot!(line(&event, &ReleaseNames::default()));
        let data = json!({ "code": "stranded", "outcome": "stranded" });
        let once = line(&Event { data, ..event }, &ReleaseNames::default());
        assert!(once.ends_with("  outcome=stranded") && !once.contains("code="), "{once}");
    }

    #[test]
    fn the_end_of_a_certificate_is_told_as_a_time() {
        let data = json!({ "not_after": 1_767_323_045 });
        let renewed = Event { data, ..Event::new(EventType::HostRenewed, at(0), "ada") };
        let line = line(&renewed, &ReleaseNames::default());
        assert!(line.ends_with("  not_after=2026-01-02 03:04:05Z"), "{line}");
    }
}
