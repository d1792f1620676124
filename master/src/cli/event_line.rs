//! An event of the store on one line, for people: time, type, who, release, and the rest as `key=value`.

use control::rollout::ReleaseNames;
use explain::{plain, when};
use protocol::Digest;
use serde_json::Value;
use store::Event;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// All of it, but for what is many lines: what a build printed, a drill; and the host, which was asked for.
pub(super) fn full_line(event: &Event, names: &ReleaseNames) -> String {
    let mut words = beginning(event);
    if event.release.is_some() {
        words.push(format!("release {}", names.of(event.release.as_ref())));
    }
    words.extend(rest(event, names, &["output", "report", "host"], |key, value| {
        key == "code" && event.data.get("outcome") == Some(value)
    }));
    plain(&words.join("  "))
}

/// What a person looks for in it: nothing twice, and no names of transactions.
pub(super) fn short_line(event: &Event, names: &ReleaseNames) -> String {
    let mut words = beginning(event);
    let from = event.data.get("from").and_then(digest);
    match (from, event.release) {
        (Some(from), Some(to)) if from != to => {
            words.push(format!("{} -> {}", names.of(Some(&from)), names.of(Some(&to))));
        }
        (from, to) => words.extend(to.or(from).map(|release| names.of(Some(&release)))),
    }
    let hidden = ["output", "report", "host", "from", "transaction", "order", "epoch"];
    words.extend(rest(event, names, &hidden, |key, value| is_said(event, key, value)));
    plain(&words.join("  "))
}

fn beginning(event: &Event) -> Vec<String> {
    vec![when(event.time), format!("{:<20}", event.kind.name()), event.who.clone()]
}

fn rest(
    event: &Event,
    names: &ReleaseNames,
    hidden: &[&str],
    is_said: impl Fn(&str, &Value) -> bool,
) -> Vec<String> {
    let Value::Object(data) = &event.data else { return Vec::new() };
    let shown = |(key, value): &(&String, &Value)| {
        !hidden.contains(&key.as_str()) && !is_empty(value) && !is_said(key, value)
    };
    data.iter().filter(shown).map(|(key, value)| word(key, value, names)).collect()
}

/// Whether the line says it already.
fn is_said(event: &Event, key: &str, value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    match key {
        "outcome" | "code" => {
            event.kind.name().ends_with(text)
                || key == "code" && event.data.get("outcome") == Some(value)
        }
        "to" | "target" => digest(value).is_some() && digest(value) == event.release,
        "who" => text == event.who,
        "since" => point(text).is_some_and(|since| when(since) == when(event.time)),
        "hosts" => {
            let hosts = value.as_array().map(Vec::as_slice);
            matches!((hosts, &event.host), (Some([one]), Some(host)) if one.as_str() == Some(host.as_str()))
        }
        _ => false,
    }
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
    match value {
        Value::String(text) => match (digest(value), point(text)) {
            (Some(digest), _) => format!("{key}={}", names.of(Some(&digest))),
            (None, Some(point)) => format!("{key}={}", when(point)),
            (None, None) => format!("{key}={text}"),
        },
        Value::Number(seconds) if key == "not_after" => {
            let until = seconds.as_i64().map(OffsetDateTime::from_unix_timestamp);
            format!("{key}={}", until.and_then(Result::ok).map(when).unwrap_or_default())
        }
        Value::Number(milliseconds) if key == "duration_ms" => {
            format!("took={:.1}s", milliseconds.as_f64().unwrap_or_default() / 1000.0)
        }
        other => format!("{key}={other}"),
    }
}

fn digest(value: &Value) -> Option<Digest> {
    value.as_str()?.parse().ok()
}

fn point(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
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
                "duration_ms": 1200, "output": ["a", "b"], "host": "web-1",
            }),
            ..Event::new(EventType::HostFailed, at(0), "ada")
        };
        let names = ReleaseNames::default();
        insta::assert_snapshot!(full_line(&event, &names), @r"2026-01-02 03:04:05Z  host.failed           ada  release 07070707  code=build_failed  detail=no such module\n\u{1b}[31mfoo  took=1.2s");
        let data = json!({ "code": "stranded", "outcome": "stranded" });
        let event = Event { data, ..event };
        for once in [full_line(&event, &names), short_line(&event, &names)] {
            assert!(once.ends_with("  outcome=stranded") && !once.contains("code="), "{once}");
        }
    }

    #[test]
    fn the_end_of_a_certificate_is_told_as_a_time() {
        let data = json!({ "not_after": 1_767_323_045 });
        let renewed = Event { data, ..Event::new(EventType::HostRenewed, at(0), "ada") };
        let line = short_line(&renewed, &ReleaseNames::default());
        assert!(line.ends_with("  not_after=2026-01-02 03:04:05Z"), "{line}");
    }

    #[test]
    fn what_a_person_reads_says_nothing_twice_and_fits() {
        let [old, new] = [[7; 32], [8; 32]].map(Digest::from_bytes);
        let mut names = ReleaseNames::default();
        names.learn(old, Some("1.7.0"));
        names.learn(new, Some("1.8.0"));
        let ended = |kind, outcome: &str, release: Digest| Event {
            release: Some(release),
            host: Some("web-1".parse().unwrap()),
            data: json!({
                "outcome": outcome, "duration_ms": 5847, "from": old, "to": release, "target": new, "host": "web-1",
                "transaction": "01a22c12-9861-7164-b9bc-1cf8e4592624",
            }),
            ..Event::new(kind, at(0), "ada")
        };
        let held = Event {
            data: json!({ "because": "disk", "since": "2026-01-02T03:04:05.0892Z", "until": "2026-01-03T03:04:05Z", "who": "ada" }),
            ..Event::new(EventType::HostHeld, at(0), "ada")
        };
        let lines = [
            ended(EventType::HostUpdated, "updated", new),
            ended(EventType::HostRolledBack, "rolled_back", old),
            ended(EventType::HostFailed, "stranded", old),
            held,
        ]
        .map(|event| short_line(&event, &names));
        insta::assert_snapshot!(lines.join("\n"), @r"
        2026-01-02 03:04:05Z  host.updated          ada  1.7.0 (07070707) -> 1.8.0 (08080808)  took=5.8s
        2026-01-02 03:04:05Z  host.rolled_back      ada  1.7.0 (07070707)  took=5.8s  target=1.8.0 (08080808)
        2026-01-02 03:04:05Z  host.failed           ada  1.7.0 (07070707)  took=5.8s  outcome=stranded  target=1.8.0 (08080808)
        2026-01-02 03:04:05Z  host.held             ada  because=disk  until=2026-01-03 03:04:05Z
        ");
    }
}
