//! What an updater said of an order, read leniently: a newer updater's words must not cost the
//! row.

use protocol::{Code, Digest, LastTransaction, Outcome, Status, TransactionId};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::updater_client::ClientError;

/// Lines of output that are kept of an answer.
const MOST_LINES: usize = 200;
/// Characters that are kept of each text that a host says.
const MOST_CHARACTERS: usize = 2000;

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What became of it.
    pub status: Status,
    /// The stable code of what went wrong, as it was sent.
    pub code: Option<String>,
    pub detail: Option<String>,
    /// The last lines of what the build or the agent printed.
    pub output: Vec<String>,
    /// Which transaction it was.
    pub transaction: Option<TransactionId>,
    pub from: Option<Digest>,
    /// What `active` names now, where the answer says.
    pub to: Option<Digest>,
    /// How long the host took.
    pub duration_ms: Option<u64>,
}

impl Answer {
    /// From a result: an answer to an order, or the last line of its stream.
    pub(super) fn of_result(value: &Value) -> Result<Self, ClientError> {
        let status = typed(value, "status").ok_or_else(|| {
            ClientError::Malformed(format!("it has no status that is known: {}", shown(value)))
        })?;
        let problem = value.get("problem").filter(|problem| problem.is_object());
        let problem = problem.map(|problem| Self::of_problem(problem, 500));
        let of_problem = problem.as_ref();
        Ok(Self {
            status,
            code: text(value, "code").or_else(|| of_problem?.code.clone()),
            detail: of_problem.and_then(|problem| problem.detail.clone()),
            output: of_problem.map(|problem| problem.output.clone()).unwrap_or_default(),
            transaction: typed(value, "transaction").or_else(|| of_problem?.transaction.clone()),
            from: typed(value, "from"),
            to: typed(value, "to"),
            duration_ms: typed(value, "duration_ms"),
        })
    }

    /// From an `application/problem+json` body, or from whatever stands in its place.
    pub(super) fn of_problem(value: &Value, http_status: u16) -> Self {
        let detail = ["detail", "title"].iter().find_map(|key| text(value, key));
        let detail = detail.or_else(|| value.get("detail").map(shown));
        let entry = text(value, "entry").map(|entry| format!(" (entry {entry:?})"));
        let rolled_back = value.get("rolled_back") == Some(&Value::Bool(true));
        Self {
            status: if rolled_back { Status::RolledBack } else { Status::Failed },
            code: text(value, "code"),
            detail: Some(match detail {
                Some(detail) => format!("{detail}{}", entry.unwrap_or_default()),
                None => format!("it answered {http_status}: {}", shown(value)),
            }),
            output: output(value),
            transaction: typed(value, "transaction"),
            from: typed(value, "from"),
            // In a problem `to` is what was ordered, which is not what runs now.
            to: if rolled_back { typed(value, "from") } else { None },
            duration_ms: None,
        }
    }

    /// Of an order that waits for the master to come back.
    pub(super) fn confirming(transaction: &TransactionId) -> Self {
        Self {
            status: Status::Confirming,
            code: None,
            detail: None,
            output: Vec::new(),
            transaction: Some(transaction.clone()),
            from: None,
            to: None,
            duration_ms: None,
        }
    }

    /// Whether the order was cut short before its switch: by its sender's end, the host's own, or
    /// somebody's wish.
    pub(super) fn was_interrupted(&self) -> bool {
        match self.status {
            Status::Interrupted => true,
            Status::Failed => self.code.as_deref() == Some(Code::Interrupted.name()),
            _ => false,
        }
    }

    /// From what `/health` says of the last transaction.
    pub(super) fn of_last(last: &LastTransaction) -> Self {
        let duration = (last.ended_at - last.started_at).whole_milliseconds();
        Self {
            status: match (last.outcome, &last.code) {
                // A failure before the switch has no outcome of its own.
                (Outcome::Interrupted, Some(_)) => Status::Failed,
                (outcome, _) => outcome.into(),
            },
            code: last.code.as_ref().map(|code| code.name().to_owned()),
            detail: last.detail.clone(),
            output: Vec::new(),
            transaction: Some(last.transaction.clone()),
            from: last.from,
            to: last.to,
            duration_ms: u64::try_from(duration).ok(),
        }
    }
}

/// Reads JSON from a host. No text in it is longer than a person would read: the bound is set once,
/// here, for all that is made of it.
pub(super) fn parse(json: &[u8]) -> Option<Value> {
    let mut value = serde_json::from_slice(json).ok()?;
    shorten(&mut value);
    Some(value)
}

/// How deep a value is, its parser has bounded.
fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => *text = clip(text, MOST_CHARACTERS),
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(values) => values.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Text of any length and kind, short enough for a row.
pub(super) fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    clip(text.trim(), 300)
}

/// The lines under `output`: a list, or one text.
fn output(value: &Value) -> Vec<String> {
    let lines: Vec<String> = match value.get("output") {
        Some(Value::String(text)) => text.lines().map(str::to_owned).collect(),
        Some(Value::Array(lines)) => lines.iter().map(shown_line).collect(),
        _ => Vec::new(),
    };
    let first = lines.len().saturating_sub(MOST_LINES);
    lines[first..].to_vec()
}

fn shown_line(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn text(value: &Value, key: &str) -> Option<String> {
    let text = value.get(key)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn typed<T: DeserializeOwned>(value: &Value, key: &str) -> Option<T> {
    serde_json::from_value(value.get(key)?.clone()).ok()
}

fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lesson_36_a_detail_of_any_kind_becomes_text() {
        for (value, words) in [
            (json!({"detail": "why"}), "why"),
            (json!({"detail": {"code": 7}}), "{\"code\":7}"),
            (json!({"detail": ["a", 1]}), "[\"a\",1]"),
            (json!({"title": "what", "code": "of_the_future"}), "what"),
            (json!("<html>"), "it answered 502: <html>"),
            (json!([]), "it answered 502: []"),
            (json!(null), "it answered 502: null"),
        ] {
            let answer = Answer::of_problem(&value, 502);
            assert_eq!(answer.detail.as_deref(), Some(words));
            assert_eq!(answer.status, Status::Failed);
        }
    }

    #[test]
    fn lesson_36_the_output_of_a_failed_build_is_found() {
        let result = json!({
            "status": "failed", "code": "build_failed", "duration_ms": 12, "to": 5,
            "problem": {"detail": "the build failed", "output": ["error: x", 7, null]},
        });
        let answer = Answer::of_result(&result).unwrap();
        assert_eq!(answer.output, ["error: x", "7", "null"]);
        assert_eq!(answer.detail.as_deref(), Some("the build failed"));
        assert_eq!((answer.to, answer.duration_ms), (None, Some(12)));
        let text = json!({"status": "failed", "problem": {"output": "a\nb"}});
        assert_eq!(Answer::of_result(&text).unwrap().output, ["a", "b"]);
    }

    #[test]
    fn a_result_without_a_known_status_is_no_result() {
        for value in [json!({}), json!({"status": "great"}), json!({"status": 1}), json!([])] {
            assert!(matches!(Answer::of_result(&value), Err(ClientError::Malformed(_))));
        }
    }

    #[test]
    fn output_is_bounded() {
        let lines: Vec<_> = (0..1000).map(|line| format!("{line} {}", "x".repeat(9000))).collect();
        let said = parse(json!({"output": lines}).to_string().as_bytes()).unwrap();
        let answer = Answer::of_problem(&said, 500);
        assert_eq!(answer.output.len(), MOST_LINES);
        assert!(answer.output[0].starts_with("800 "));
        assert!(answer.output[0].chars().count() <= MOST_CHARACTERS + 1);
    }
}
