//! What a host kept of a failure.

use serde::Deserialize;
use serde_json::Value;

use crate::updater_client::OrderResult;

/// The parts of `GET /evidence/{transaction}` that are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailureEvidence {
    pub detail: Option<String>,
    /// What is shown of what the build printed.
    pub build_output: Vec<String>,
    /// The file beside the host's evidence that has all of it.
    pub build_log: Option<String>,
    /// The end of what the agent printed.
    pub agent_output: Vec<String>,
    /// How the last answer to the probe began that did not pass.
    pub answer: Vec<String>,
    /// How the agent's process ended, if it did.
    pub agent_exit: Option<String>,
}

impl FailureEvidence {
    pub(super) fn from_json(value: &Value) -> Self {
        let problem = value.get("problem").filter(|problem| problem.is_object());
        let lines = |key: &str| {
            let lines = value.get(key).cloned().unwrap_or_default();
            Vec::<String>::deserialize(lines).unwrap_or_default()
        };
        let word = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Self {
            detail: problem.and_then(|problem| OrderResult::from_problem(problem, 500).detail),
            build_output: lines("build_output"),
            agent_output: lines("agent_output"),
            answer: lines("answer"),
            build_log: word("build_log"),
            agent_exit: word("agent_exit"),
        }
    }
}
