//! What a host kept of a failure.

use serde::Deserialize;
use serde_json::Value;

use crate::updater_client::OrderResult;

/// The parts of `GET /evidence/{transaction}` that are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailureEvidence {
    pub detail: Option<String>,
    /// The end of what the build printed.
    pub build_output: Vec<String>,
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
        Self {
            detail: problem.and_then(|problem| OrderResult::from_problem(problem, 500).detail),
            build_output: lines("build_output"),
            agent_output: lines("agent_output"),
            answer: lines("answer"),
            agent_exit: value.get("agent_exit").and_then(Value::as_str).map(str::to_owned),
        }
    }
}
