//! `swarm show`: all that is known of a host, without asking it.

use api::{DesiredRelease, HostDocument};
use clap::Args;
use control::rollout::ReleaseNames;
use explain::{Exit, Failure, plain, when};
use protocol::HostName;
use serde_json::Value;
use store::{Event, Events, SkipReason};

use crate::cli::Context;
use crate::cli::drill::times;
use crate::cli::event_line::short_line;
use crate::output::hanging;

/// The words of `swarm show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The host
    #[arg(value_name = "HOST")]
    host: HostName,
}

impl ShowArgs {
    /// Shows the record, what should run there, and what happened last.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let store = &context.store;
        let known = HostDocument::read(store, &self.host)?;
        if context.output.json() {
            context.output.document(&known);
        } else {
            let columns = context.output.columns();
            let names = ReleaseNames::read(store)?;
            let events = store.events(Events::HostOperations(&self.host), EVENTS)?;
            context.output.data(&text(&known, &events, &names, columns));
        }
        Ok(Exit::Success)
    }
}

/// So many of the last events are shown; phases are none.
const EVENTS: u32 = 10;
/// Where the values stand, and where what an event is about begins.
const VALUES: usize = 14;
const BEHIND_TIME: usize = 22;

/// One page: what the host is, what should run there, and what happened last.
fn text(
    known: &HostDocument,
    events: &[Event],
    names: &ReleaseNames,
    columns: Option<usize>,
) -> String {
    let host = &known.host;
    let fitted = |line: String, under| {
        columns.map_or_else(|| line.clone(), |columns| hanging(&line, columns, under))
    };
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            lines.push(fitted(format!("{name:<13} {}", plain(value)), VALUES));
        }
    };
    line("host", host.name.as_str());
    line("address", host.address.as_str());
    let port = host.has_updater.then(|| format!("port {}", host.updater_port));
    line("updater", port.as_deref().unwrap_or("none"));
    line("agent", &host.agent_port.map(|port| format!("port {port}")).unwrap_or_default());
    line("also known as", &host.sans.join(" "));
    let labels: Vec<_> = host.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    line("labels", &labels.join(" "));
    line("notes", host.notes.as_deref().unwrap_or_default());
    let held = host.held.clone().map(|hold| SkipReason::Held(hold).to_string());
    line("held", held.as_deref().map(|it| it.trim_start_matches("held ")).unwrap_or_default());
    line("enrolled", &when(host.enrolled_at));
    line("out of fleet", &host.decommissioned_at.map(when).unwrap_or_default());
    for certificate in &known.certificates {
        let pinned = host.pinned.all().any(|pinned| *pinned == certificate.fingerprint);
        let pinned = if pinned { ", pinned" } else { "" };
        let (role, until) = (&certificate.role, when(certificate.not_after));
        line("certificate", &format!("{role}, until {until}{pinned}"));
        line("", &certificate.fingerprint.to_string());
    }
    for DesiredRelease { desired, .. } in &known.desired {
        let release = names.of(Some(&desired.digest));
        line("should run", &format!("{} {release}, since {}", desired.app, when(desired.since)));
    }
    if let Some(drill) = &known.drill {
        let (outcome, times) = drilled(drill);
        line("last drill", &format!("{outcome}, {}", when(drill.time)));
        line("", &times);
    }
    if !events.is_empty() {
        lines.push(String::new());
        lines.push("last events".to_owned());
        lines.extend(events.iter().map(|event| fitted(short_line(event, names), BEHIND_TIME)));
    }
    lines.join("\n")
}

/// How a drill went, and how long its parts took or what went wrong.
fn drilled(drill: &Event) -> (String, String) {
    let text = |key: &str| drill.data.get(key).and_then(Value::as_str).unwrap_or_default();
    let report = drill.data.get("report").cloned().and_then(|report| {
        serde_json::from_value::<Option<protocol::DrillReport>>(report).ok().flatten()
    });
    let told = match (text("detail"), report) {
        ("", Some(report)) => times(&report),
        (detail, _) => detail.to_owned(),
    };
    (text("status").to_owned(), told)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use store::{Certificate, Desired, EventType, Host};
    use testing::{at, host};

    use super::*;

    #[test]
    fn all_that_is_known_of_a_host() {
        let host = Host {
            agent_port: Some(8765),
            notes: Some("rack 3\u{1b}[2J".to_owned()),
            ..host("web-1", &["role=web", "zone=a"])
        };
        let certificate = |role: &str, fill: &str| Certificate {
            fingerprint: fill.repeat(32).parse().unwrap(),
            role: role.to_owned(),
            issued_at: at(0),
            not_after: at(90 * 86_400),
        };
        let known = HostDocument {
            name: host.name.clone(),
            certificates: vec![certificate("agent", "cd"), certificate("updater", "ab")],
            desired: vec![DesiredRelease {
                version: None,
                desired: Desired {
                    host: host.name.clone(),
                    app: "agent".parse().unwrap(),
                    digest: protocol::Digest::from_bytes([7; 32]),
                    rollout: None,
                    since: at(60),
                },
            }],
            drill: Some(Event {
                data: json!({"status": "passed", "detail": null, "report": {
                    "format": 1, "status": "passed", "code": null, "app": "agent",
                    "caller": "master", "started_at": "2026-01-02T03:04:05Z", "duration_ms": 4200,
                    "steps": [
                        {"step": "install", "passed": true, "duration_ms": 310},
                        {"step": "recovery:received", "passed": true, "duration_ms": 40},
                        {"step": "recovery:agent_started", "passed": true, "duration_ms": 650},
                    ],
                }}),
                ..Event::new(EventType::HostDrilled, at(90), "ada")
            }),
            recent: vec![Event {
                data: json!({"address": "10.0.0.11"}),
                ..Event::new(EventType::HostEnrolled, at(0), "ada")
            }],
            host,
        };
        let names = ReleaseNames::default();
        insta::assert_snapshot!(text(&known, &known.recent, &names, None));
        for columns in [40, 80, 120, 220] {
            let page = text(&known, &known.recent, &names, Some(columns));
            insta::assert_snapshot!(format!("page_{columns}"), page);
        }
    }
}
