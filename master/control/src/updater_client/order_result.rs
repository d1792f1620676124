//! How an order ended, by the updater's word. It is read leniently: what only a newer updater says
//! must not cost the host its row.

use engine::{MasterCode, ResultCode};
use protocol::{Code, Digest, LastTransaction, Outcome, Status, TransactionId};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::updater_client::ClientError;
use crate::updater_client::host_json::shown;

/// Lines of output that are kept of an answer.
const MOST_LINES: usize = 200;

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderResult {
    /// What became of it.
    pub status: Status,
    /// The code of what went wrong.
    pub code: Option<ResultCode>,
    pub detail: Option<String>,
    /// Whether the release was left again for the host's own fault, by the host's word.
    pub host_fault: bool,
    /// The last lines of what the build or the agent printed.
    pub output: Vec<String>,
    /// Which transaction it was.
    pub transaction: Option<TransactionId>,
    pub from: Option<Digest>,
    /// What `active` names now, where the answer says.
    pub to: Option<Digest>,
    /// How long the host took.
    pub duration_ms: Option<u64>,
    /// Bytes that it wants, and has, where it has too few.
    pub needed: Option<u64>,
    pub free: Option<u64>,
}

impl OrderResult {
    /// From a result: an answer to an order, or the last line of its stream.
    pub(super) fn from_result(value: &Value) -> Result<Self, ClientError> {
        let status = typed(value, "status").ok_or_else(|| {
            ClientError::Malformed(format!("it has no status that is known: {}", shown(value)))
        })?;
        let problem = value.get("problem").filter(|problem| problem.is_object());
        let problem = problem.map(|problem| Self::from_problem(problem, 500));
        let problem = problem.as_ref();
        let answer = Self {
            status,
            code: code(value).or_else(|| problem?.code.clone()),
            detail: problem.and_then(|problem| problem.detail.clone()).or_else(|| notes(value)),
            host_fault: problem.is_some_and(|problem| problem.host_fault),
            output: problem.map(|problem| problem.output.clone()).unwrap_or_default(),
            transaction: typed(value, "transaction").or_else(|| problem?.transaction.clone()),
            from: typed(value, "from"),
            to: typed(value, "to"),
            duration_ms: typed(value, "duration_ms"),
            needed: problem.and_then(|problem| problem.needed),
            free: problem.and_then(|problem| problem.free),
        };
        Ok(match contradiction(value, status) {
            Some(what) => answer.contradictory(what),
            None => answer,
        })
    }

    /// The answer of a host that says one thing and another: nothing of it is believed.
    pub(super) fn contradictory(self, what: &str) -> Self {
        let said = serde_json::to_value(self.status).unwrap_or_default();
        let detail = format!("it answered {} {what}", shown(&said));
        Self {
            status: Status::Failed,
            code: Some(MasterCode::BadAnswer.into()),
            detail: Some(detail),
            to: None,
            ..self
        }
    }

    /// From an `application/problem+json` body, or from whatever stands in its place.
    pub(super) fn from_problem(value: &Value, http_status: u16) -> Self {
        let detail = ["detail", "title"].iter().find_map(|key| text(value, key));
        let detail = detail.or_else(|| value.get("detail").map(shown));
        let entry = text(value, "entry").map(|entry| format!(" (entry {entry:?})"));
        let rolled_back = value.get("rolled_back") == Some(&Value::Bool(true));
        Self {
            status: if rolled_back { Status::RolledBack } else { Status::Failed },
            code: code(value),
            detail: Some(match detail {
                Some(detail) => format!("{detail}{}", entry.unwrap_or_default()),
                None => format!("it answered {http_status}: {}", shown(value)),
            }),
            host_fault: value.get("host_fault") == Some(&Value::Bool(true)),
            output: output(value),
            transaction: typed(value, "transaction"),
            from: typed(value, "from"),
            // In a problem `to` is what was ordered, which is not what runs now.
            to: if rolled_back { typed(value, "from") } else { None },
            duration_ms: None,
            needed: bytes(value, "needed"),
            free: bytes(value, "free"),
        }
    }

    /// Of an order that waits for the master to come back.
    pub(super) fn confirming(transaction: &TransactionId) -> Self {
        Self {
            status: Status::Confirming,
            code: None,
            detail: None,
            host_fault: false,
            output: Vec::new(),
            transaction: Some(transaction.clone()),
            from: None,
            to: None,
            duration_ms: None,
            needed: None,
            free: None,
        }
    }

    /// Whether the order was cut short before its switch: by the end of the master that gave it, by the
    /// updater's own end, or because an operator asked for that.
    pub(super) fn was_interrupted(&self) -> bool {
        match self.status {
            Status::Interrupted => true,
            Status::Failed => self.code == Some(Code::Interrupted.into()),
            _ => false,
        }
    }

    /// From what `/health` says of the last transaction.
    pub(super) fn from_last_transaction(last: &LastTransaction) -> Self {
        let duration = (last.ended_at - last.started_at).whole_milliseconds();
        Self {
            status: match (last.outcome, &last.code) {
                // A failure before the switch has no outcome of its own.
                (Outcome::Interrupted, Some(_)) => Status::Failed,
                (outcome, _) => outcome.into(),
            },
            code: last.code.clone().map(ResultCode::from),
            detail: last.detail.clone(),
            host_fault: last.host_fault,
            output: Vec::new(),
            transaction: Some(last.transaction.clone()),
            from: last.from,
            to: last.to,
            duration_ms: u64::try_from(duration).ok(),
            needed: None,
            free: None,
        }
    }
}

/// The bytes of an amount, where it is one.
fn bytes(value: &Value, key: &str) -> Option<u64> {
    value.get(key)?.get("bytes")?.as_u64()
}

/// What in a result speaks against its status, if anything does.
fn contradiction(value: &Value, status: Status) -> Option<&'static str> {
    let says = |key: &str| value.get(key).is_some_and(|said| !said.is_null());
    let proven = || value.pointer("/probe/passed") == Some(&Value::Bool(true));
    match status {
        Status::Updated | Status::AlreadyCurrent if says("code") || says("problem") => {
            Some("with an error")
        }
        Status::Updated if !says("probe") => Some("without a proof"),
        Status::Updated if !proven() => Some("with a probe that did not pass"),
        _ => None,
    }
}

/// What an operator may not expect of what went well, in one line.
fn notes(value: &Value) -> Option<String> {
    let notes: Vec<String> = typed(value, "notes")?;
    (!notes.is_empty()).then(|| notes.join("; "))
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

fn code(value: &Value) -> Option<ResultCode> {
    text(value, "code").map(ResultCode::from)
}

fn text(value: &Value, key: &str) -> Option<String> {
    let text = value.get(key)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn typed<T: DeserializeOwned>(value: &Value, key: &str) -> Option<T> {
    serde_json::from_value(value.get(key)?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::updater_client::host_json::{MOST_CHARACTERS, parse};

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
            let answer = OrderResult::from_problem(&value, 502);
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
        let answer = OrderResult::from_result(&result).unwrap();
        assert_eq!(answer.output, ["error: x", "7", "null"]);
        assert_eq!(answer.detail.as_deref(), Some("the build failed"));
        assert_eq!((answer.to, answer.duration_ms), (None, Some(12)));
        let text = json!({"status": "failed", "problem": {"output": "a\nb"}});
        assert_eq!(OrderResult::from_result(&text).unwrap().output, ["a", "b"]);
    }

    #[test]
    fn what_is_noted_of_a_good_end_is_its_detail() {
        let result = json!({
            "status": "updated", "code": null, "probe": {"passed": true}, "duration_ms": 1,
            "notes": ["yarn.lock is ignored", "Gemfile too"],
        });
        let answer = OrderResult::from_result(&result).unwrap();
        assert_eq!(answer.detail.as_deref(), Some("yarn.lock is ignored; Gemfile too"));
        assert_eq!(answer.code, None);
    }

    #[test]
    fn a_result_without_a_known_status_is_no_result() {
        for value in [json!({}), json!({"status": "great"}), json!({"status": 1}), json!([])] {
            assert!(matches!(OrderResult::from_result(&value), Err(ClientError::Malformed(_))));
        }
    }

    #[test]
    fn output_is_bounded() {
        let lines: Vec<_> = (0..1000).map(|line| format!("{line} {}", "x".repeat(9000))).collect();
        let said = parse(json!({"output": lines}).to_string().as_bytes()).unwrap();
        let answer = OrderResult::from_problem(&said, 500);
        assert_eq!(answer.output.len(), MOST_LINES);
        assert!(answer.output[0].starts_with("800 "));
        assert!(answer.output[0].chars().count() <= MOST_CHARACTERS + 1);
    }
}
