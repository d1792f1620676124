//! What a host came to.

use protocol::{Digest, HostName, HostOutcome, TransactionId};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub host: HostName,
    /// How it ended there.
    pub outcome: HostOutcome,
    /// A stable name of what went wrong, or of why it was left out.
    pub code: Option<String>,
    pub from: Option<Digest>,
    pub to: Option<Digest>,
    /// How long it took.
    pub duration_ms: u64,
    pub detail: Option<String>,
    /// The last lines of what the build or the agent printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
    /// The updater's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
}

impl Row {
    /// The code and the words. A code that only says the outcome again is left out.
    pub fn why(&self) -> String {
        let code = self.code.as_deref().filter(|code| *code != self.outcome.name());
        let detail = self.detail.as_deref().filter(|detail| Some(*detail) != code);
        let words: Vec<_> = [code, detail].into_iter().flatten().collect();
        words.join(": ")
    }

    /// A row about a host of which nothing more is known.
    pub fn new(host: &HostName, outcome: HostOutcome) -> Self {
        Self {
            host: host.clone(),
            outcome,
            code: None,
            from: None,
            to: None,
            duration_ms: 0,
            detail: None,
            output: Vec::new(),
            transaction: None,
        }
    }

    /// The same row with a code and words.
    #[must_use]
    pub fn because(self, code: &str, detail: &str) -> Self {
        Self { code: Some(code.to_owned()), detail: Some(detail.to_owned()), ..self }
    }
}
