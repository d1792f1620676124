//! `swarm log`: who did what to a host, when, with what result.

use clap::Args;
use control::rollout::ReleaseNames;
use explain::{Exit, Failure, plain, when};
use protocol::{Digest, HostName};
use serde_json::Value;
use store::{Event, Events};

use crate::cli::Context;

/// The words of `swarm log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// The host
    #[arg(value_name = "HOST")]
    host: HostName,

    /// How many of the last events
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
}

impl LogArgs {
    /// Shows a host's events, the last one at the end.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let store = &context.store;
        let host = store.host(&self.host)?;
        let events = store.events(Events::Host(&host.name), self.limit)?;
        if context.output.json() {
            context.output.document(&events);
            return Ok(Exit::Success);
        }
        let names = ReleaseNames::read(store)?;
        let lines: Vec<_> = events.iter().map(|event| line(event, &names)).collect();
        context.output.data(&lines.join("\n"));
        Ok(Exit::Success)
    }
}

/// One event on one line: time, type, who, release, and the rest as `key=value`.
pub(super) fn line(event: &Event, names: &ReleaseNames) -> String {
    let mut words = vec![when(event.time), format!("{:<20}", event.kind.name()), event.who.clone()];
    if event.release.is_some() {
        words.push(format!("release {}", names.of(event.release.as_ref())));
    }
    if let Value::Object(data) = &event.data {
        // What a build printed is many lines, and so is a drill; `--json` has them.
        let short = |(key, value): &(&String, &Value)| {
            !["output", "report"].contains(&key.as_str()) && !is_empty(value)
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
        other => format!("{key}={other}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use store::EventType;
    use testing::at;

    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_a_host_said() {
        let event = Event {
            release: Some(Digest::from_bytes([7; 32])),
            data: json!({
                "code": "build_failed", "detail": "no such module\n\u{1b}[31mfoo", "from": null,
                "duration_ms": 1200, "output": ["a", "b"],
            }),
            ..Event::new(EventType::HostFailed, at(0), "ada")
        };
        insta::assert_snapshot!(line(&event, &ReleaseNames::default()));
    }
}
