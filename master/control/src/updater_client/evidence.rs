//! What a host kept of a failure.

use serde::Deserialize;
use serde_json::Value;

use crate::updater_client::Answer;

/// The parts of `GET /evidence/{transaction}` that are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    pub detail: Option<String>,
    /// The end of what the build printed.
    pub build_output: Vec<String>,
    /// The end of what the agent printed.
    pub agent_output: Vec<String>,
    /// How the agent's process ended, if it did.
    pub agent_exit: Option<String>,
}

impl Evidence {
    pub(super) fn of(value: &Value) -> Self {
        let problem = value.get("problem").filter(|problem| problem.is_object());
        let lines = |key: &str| {
            let lines = value.get(key).cloned().unwrap_or_default();
            Vec::<String>::deserialize(lines).unwrap_or_default()
        };
        Self {
            detail: problem.and_then(|problem| Answer::of_problem(problem, 500).detail),
            build_output: lines("build_output"),
            agent_output: lines("agent_output"),
            agent_exit: value.get("agent_exit").and_then(Value::as_str).map(str::to_owned),
        }
    }
}
