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
    /// What is shown of what the agent printed.
    pub agent_output: Vec<String>,
    /// The file that has all of that.
    pub agent_log: Option<String>,
    /// Hooks and commands of migrations that failed, one after the other.
    pub commands: Vec<FailedCommand>,
    /// How the last answer to the probe began that did not pass.
    pub answer: Vec<String>,
    /// How the agent's process ended, if it did.
    pub agent_exit: Option<String>,
}

/// A command of the release that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCommand {
    pub name: String,
    /// What is shown of what it printed.
    pub output: Vec<String>,
    /// The file that has all of that.
    pub log: String,
}

impl FailureEvidence {
    pub(super) fn from_json(value: &Value) -> Self {
        let problem = value.get("problem").filter(|problem| problem.is_object());
        let lines = |key: &str| lines(value, key);
        let word = |key: &str| word(value, key);
        let commands = value.get("commands").and_then(Value::as_array);
        Self {
            detail: problem.and_then(|problem| OrderResult::from_problem(problem, 500).detail),
            build_output: lines("build_output"),
            agent_output: lines("agent_output"),
            answer: lines("answer"),
            build_log: word("build_log"),
            agent_log: word("agent_log"),
            commands: commands.into_iter().flatten().filter_map(FailedCommand::from_json).collect(),
            agent_exit: word("agent_exit"),
        }
    }
}

impl FailedCommand {
    /// Of a command that went well no file is kept.
    fn from_json(value: &Value) -> Option<Self> {
        let (name, log) = (word(value, "name")?, word(value, "log")?);
        Some(Self { name, output: lines(value, "output"), log })
    }
}

fn lines(value: &Value, key: &str) -> Vec<String> {
    let lines = value.get(key).cloned().unwrap_or_default();
    Vec::deserialize(lines).unwrap_or_default()
}

fn word(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}
