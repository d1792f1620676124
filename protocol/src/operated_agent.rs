//! The answer to `updater stop`, `start` and `restart`.

use serde::{Deserialize, Serialize};

use crate::AppHealth;

/// How an app is after an operator's order to its agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatedAgent {
    /// As in `GET /health`.
    #[serde(flatten)]
    pub health: AppHealth,
    /// What is to be known besides: that a program had to be killed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl OperatedAgent {
    /// `killed` says what did not end when it was asked to.
    pub fn new(health: AppHealth, killed: Option<String>) -> Self {
        Self { health, notes: killed.into_iter().collect() }
    }
}
