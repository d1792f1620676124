//! What was done on a host itself, on one line of `swarm log`.

use std::fmt::Write as _;

use control::fleet::{operation_words, transaction_words};
use control::rollout::ReleaseNames;
use explain::{plain, when};
use protocol::{AppName, DEFAULT_APP, HostHistoryEntry};

/// `2026-11-30 02:00:00Z  stopped on the host by ada  1.7.0 (9f86d081)`
pub(super) fn on_host_line(
    app: &AppName,
    entry: &HostHistoryEntry,
    names: &ReleaseNames,
) -> String {
    let (done, release, detail) = match entry {
        HostHistoryEntry::Transaction(line) => {
            let [from, to] = [line.from, line.to].map(|digest| names.of(digest.as_ref()));
            let mut release = match (from.as_str(), to.as_str()) {
                (from, to) if from == to || to.is_empty() => from.to_owned(),
                ("", to) => to.to_owned(),
                (from, to) => format!("{from} -> {to}"),
            };
            if let Some(target) = line.target.filter(|_| line.target != line.to) {
                let _infallible = write!(release, "  target={}", names.of(Some(&target)));
            }
            (transaction_words(line), release, line.detail.as_ref())
        }
        HostHistoryEntry::Operation(line) => {
            let mut names = names.clone();
            if let Some(release) = line.release {
                names.learn(release, line.version.as_deref());
            }
            (operation_words(line), names.of(line.release.as_ref()), line.detail.as_ref())
        }
    };
    let app = if app.as_str() == DEFAULT_APP { String::new() } else { format!("app={app}") };
    let words = [when(entry.ended_at()), done, release, app, detail.cloned().unwrap_or_default()];
    plain(&words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("  "))
}

#[cfg(test)]
mod tests {
    use protocol::Digest;
    use serde_json::{Value, json};

    use super::*;

    fn shown(app: &str, line: Value) -> String {
        let mut names = ReleaseNames::default();
        names.learn(Digest::from_bytes([7; 32]), Some("1.7.0"));
        names.learn(Digest::from_bytes([8; 32]), Some("1.8.0"));
        on_host_line(&app.parse().unwrap(), &serde_json::from_value(line).unwrap(), &names)
    }

    fn operation(operation: &str, more: Value) -> Value {
        with(
            json!({
                "format": 1, "id": "0190a5c2-6f00-7000-8000-000000000000", "operation": operation,
                "release": Digest::from_bytes([7; 32]), "caller": "local",
                "ended_at": "2026-11-30T02:00:00Z",
            }),
            more,
        )
    }

    fn transaction(kind: &str, outcome: &str, more: Value) -> Value {
        with(
            json!({
                "format": 1, "transaction": "0190a5c2-6f00-7000-8000-000000000000", "kind": kind,
                "outcome": outcome, "from": Digest::from_bytes([8; 32]), "caller": "local",
                "to": Digest::from_bytes([7; 32]), "target": Digest::from_bytes([7; 32]),
                "started_at": "2026-11-30T02:00:00Z", "ended_at": "2026-11-30T02:00:00Z",
            }),
            more,
        )
    }

    fn with(mut line: Value, more: Value) -> Value {
        let (Value::Object(line_keys), Value::Object(more)) = (&mut line, more) else {
            panic!("two objects")
        };
        line_keys.extend(more);
        line
    }

    #[test]
    fn what_was_done_on_the_host_is_one_line_that_reads_whole() {
        let failed = json!({"code": "irreversible", "detail": "its data\nhas another form"});
        let stranded = json!({"code": "rollback_failed", "detail": "nothing answers", "by": "ada"});
        let rescue = json!({"code": "rolled_back", "detail": "it kept dying", "caller": "rescue"});
        let undone = json!({
            "code": "rolled_back", "detail": "it crashed", "by": "ada",
            "to": Digest::from_bytes([8; 32]),
        });
        let lines = [
            shown("agent", operation("stop", json!({"by": "ada"}))),
            shown("db", operation("start", json!({}))),
            shown("agent", operation("restart", failed)),
            shown("agent", operation("rollback", json!({"by": "ada"}))),
            shown("agent", operation("polish", json!({"by": "\u{202e}ada"}))),
            shown("agent", transaction("rollback", "rolled_back", json!({"by": "ada"}))),
            shown("agent", transaction("rollback", "stranded", stranded)),
            shown("updater", transaction("rollback", "rolled_back", rescue)),
            shown("agent", transaction("rollback", "rolled_back", undone)),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r"
        2026-11-30 02:00:00Z  stopped on the host by ada  1.7.0 (07070707)
        2026-11-30 02:00:00Z  started on the host  1.7.0 (07070707)  app=db
        2026-11-30 02:00:00Z  restart on the host failed  1.7.0 (07070707)  its data\nhas another form
        2026-11-30 02:00:00Z  update taken back on the host by ada  1.7.0 (07070707)
        2026-11-30 02:00:00Z  polish on the host by \u{202e}ada  1.7.0 (07070707)
        2026-11-30 02:00:00Z  rolled back on the host by ada  1.8.0 (08080808) -> 1.7.0 (07070707)
        2026-11-30 02:00:00Z  rollback on the host by ada: stranded  1.8.0 (08080808) -> 1.7.0 (07070707)  nothing answers
        2026-11-30 02:00:00Z  rollback on the host by its rescue: rolled_back  1.8.0 (08080808) -> 1.7.0 (07070707)  app=updater  it kept dying
        2026-11-30 02:00:00Z  rollback on the host by ada: rolled_back  1.8.0 (08080808)  target=1.7.0 (07070707)  it crashed
        ");
    }
}
