//! `swarm evidence`: what a host has kept of a failure.

use std::fmt::Write as _;

use clap::Args;
use control::fleet::{Fleet, KeptEvidence, evidence};
use control::rollout::ReleaseNames;
use explain::{Exit, Failure, clock, plain, when};
use protocol::HostName;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::Context;
use crate::cli::runtime::block_on;
use crate::output::hanging;

/// The words of `swarm evidence`.
#[derive(Debug, Args)]
pub struct EvidenceArgs {
    /// The host
    #[arg(value_name = "HOST")]
    host: HostName,

    /// The transaction, or the beginning or the end of its id [default: the last one that failed]
    #[arg(value_name = "TRANSACTION")]
    transaction: Option<String>,
}

impl EvidenceArgs {
    /// Asks the host, which keeps the evidence of the last 20 failures of each app.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { home, store, output, .. } = context;
        let host = store.host(&self.host)?;
        let client = Fleet::open(home, store, context.timeouts)?.client(&host);
        let kept = block_on(evidence(&self.host, client, self.transaction.as_deref()))??;
        if output.json() {
            output.document(&json!({
                "host": self.host, "app": kept.app, "transaction": kept.ended.transaction,
                "ended": kept.ended, "evidence": kept.document,
            }));
        } else {
            let names = ReleaseNames::read(store)?;
            output.data(&text(&self.host, &kept, &names, output.columns()));
        }
        Ok(Exit::Success)
    }
}

/// Where the values stand.
const VALUES: usize = 10;
/// Answers of the probe that are shown, the last ones.
const PROBES: usize = 10;

/// One page: what happened, and below it what was printed.
fn text(
    host: &HostName,
    kept: &KeptEvidence,
    names: &ReleaseNames,
    columns: Option<usize>,
) -> String {
    let (ended, document) = (&kept.ended, &kept.document);
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let line = format!("{name:<VALUES$}{}", plain(value));
            let line = columns.map_or_else(|| line.clone(), |most| hanging(&line, most, VALUES));
            let _infallible = writeln!(text, "{line}");
        }
    };
    line("host", &format!("{host}, {}", kept.app));
    line("what", &format!("{} {}", ended.kind, ended.transaction));
    line("when", &when(ended.ended_at));
    line("release", &names.of(ended.target.as_ref()));
    let code = ended.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    line("ended", &format!("{}{code}", ended.ended()));
    line("why", ended.detail.as_deref().unwrap_or_default());
    line("exit", word(document, "agent_exit"));
    line("free", &free(document));
    line("phases", &phases(document));
    let mut section = |heading: &str, lines: &[String], log: &str| {
        if lines.is_empty() {
            return;
        }
        let _infallible = writeln!(text, "\n{heading}:");
        for line in lines {
            let _infallible = writeln!(text, "  | {}", plain(line));
        }
        if !log.is_empty() {
            let (app, id) = (&kept.app, &ended.transaction);
            let place = format!("in the host's state_dir: apps/{app}/evidence/{id}/{log}");
            let _infallible = writeln!(text, "  all of it is {}", plain(&place));
        }
    };
    let probes = lines(document, "probes");
    let last = probes.split_at(probes.len().saturating_sub(PROBES)).1;
    section(&format!("probe, {} of {} answers", last.len(), probes.len()), last, "");
    section("its answer began", &lines(document, "answer"), "");
    for ran in document.get("commands").and_then(Value::as_array).into_iter().flatten() {
        let heading = format!("{} {}", plain(word(ran, "name")), plain(word(ran, "detail")));
        section(heading.trim(), &lines(ran, "output"), word(ran, "log"));
    }
    section("the build printed", &lines(document, "build_output"), word(document, "build_log"));
    section("the program printed", &lines(document, "agent_output"), word(document, "agent_log"));
    text
}

/// `39 MiB and 120000 inodes on the disk, 512 MiB of memory`
fn free(document: &Value) -> String {
    let number = |value: Option<&Value>| value.and_then(Value::as_u64);
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let space = document.get("free");
    let disk = number(space.and_then(|space| space.get("bytes")));
    let inodes = number(space.and_then(|space| space.get("inodes")));
    let memory = number(document.get("memory_available"));
    let words = [
        disk.map(|bytes| format!("{} on the disk", mib(bytes))),
        inodes.map(|inodes| format!("{inodes} inodes")),
        memory.map(|bytes| format!("{} of memory", mib(bytes))),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `16:02:01Z building, 16:02:04Z switching`; on the way back with `back:` before it.
fn phases(document: &Value) -> String {
    let entered = document.get("journal").and_then(Value::as_array);
    let words = entered.into_iter().flatten().map(|entered| {
        let time = OffsetDateTime::parse(word(entered, "time"), &Rfc3339);
        let time = time.map(clock).unwrap_or_default();
        let back = if word(entered, "direction") == "back" { "back: " } else { "" };
        format!("{time} {back}{}", word(entered, "phase"))
    });
    words.collect::<Vec<_>>().join(", ")
}

fn lines(value: &Value, key: &str) -> Vec<String> {
    let lines = value.get(key).and_then(Value::as_array);
    lines.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> KeptEvidence {
        let id = "0190a5c2-6f00-7000-8000-000000000012";
        KeptEvidence {
            app: "agent".parse().unwrap(),
            ended: serde_json::from_value(json!({
                "format": 1, "transaction": id, "kind": "update", "outcome": "rolled_back",
                "code": "rolled_back", "detail": "the agent exited with status 3", "from": null,
                "to": null, "target": protocol::Digest::from_bytes([8; 32]), "caller": "master",
                "started_at": "2026-01-02T03:04:00Z", "ended_at": "2026-01-02T03:04:05Z",
            }))
            .unwrap(),
            document: json!({
                "format": 1, "app": "agent", "transaction": id,
                "journal": [
                    {"phase": "building", "direction": "forward", "time": "2026-01-02T03:04:01Z"},
                    {"phase": "reversing", "direction": "back", "time": "2026-01-02T03:04:03Z"},
                ],
                "probes": ["connect: Connection refused", "500 Internal Server Error"],
                "answer": ["<h1>no\u{1b}[2J</h1>"],
                "commands": [{"name": "pre_switch", "detail": "exited with status 0", "output": ["well"]}],
                "build_output": [], "agent_output": ["Traceback:", "\u{1b}[31mboom"],
                "agent_log": "agent.log", "agent_exit": "exited with status 3",
                "free": {"bytes": 104_857_600, "inodes": 9000}, "memory_available": 536_870_912,
            }),
        }
    }

    #[test]
    fn what_was_kept_is_one_page() {
        let host = "web-1".parse().unwrap();
        let text = |columns| text(&host, &kept(), &ReleaseNames::default(), columns);
        insta::assert_snapshot!("evidence_80", text(Some(80)));
        insta::assert_snapshot!("evidence_40", text(Some(40)));
        assert!(!text(None).contains('\u{1b}'));
    }

    #[test]
    fn of_a_document_without_any_of_it_the_end_is_shown() {
        let kept = KeptEvidence { document: json!({}), ..kept() };
        let host = "web-1".parse().unwrap();
        let text = text(&host, &kept, &ReleaseNames::default(), None);
        assert!(text.contains("why       the agent exited with status 3\n"), "{text}");
    }
}
