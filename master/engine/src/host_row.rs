//! What a host came to in a rollout: one row of its table.

use protocol::{Digest, HostName, HostOutcome, TransactionId};
use serde::{Deserialize, Serialize};

use crate::ResultCode;

/// What a host came to. `from` is what it ran before and `to` what it runs now, where that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostResult {
    pub host: HostName,
    pub outcome: HostOutcome,
    /// A stable name of what went wrong, or of why it was left out.
    pub code: Option<ResultCode>,
    pub from: Option<Digest>,
    pub to: Option<Digest>,
    /// The release that it was ordered to run, where it got an order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Digest>,
    /// Bytes that it wants, and has, where it has too few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<u64>,
    pub duration_ms: u64,
    pub detail: Option<String>,
    /// The last lines of what the build or the agent printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
    /// The updater's name for the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<TransactionId>,
}

impl HostResult {
    /// The code and the detail, but a code that only repeats the outcome, or with which the detail begins.
    pub fn reason(&self) -> String {
        let detail = self.detail.as_deref();
        let begins = |code: &str| detail.is_some_and(|it| it.starts_with(&code.replace('_', " ")));
        let code = self
            .code
            .as_ref()
            .map(ResultCode::as_str)
            .filter(|code| *code != self.outcome.into_str() && !begins(code));
        let words: Vec<_> = [code, detail].into_iter().flatten().collect();
        words.join(": ")
    }

    /// A result of which nothing but the outcome is known.
    pub fn new(host: &HostName, outcome: HostOutcome) -> Self {
        Self {
            host: host.clone(),
            outcome,
            code: None,
            from: None,
            to: None,
            target: None,
            needed: None,
            free: None,
            duration_ms: 0,
            detail: None,
            output: Vec::new(),
            transaction: None,
        }
    }

    /// The same result of a host that has too few bytes free.
    #[must_use]
    pub fn with_shortage(self, needed: u64, free: u64) -> Self {
        Self { needed: Some(needed), free: Some(free), ..self }
    }

    /// The same result with a code and a detail.
    #[must_use]
    pub fn with_reason(self, code: impl Into<ResultCode>, detail: &str) -> Self {
        Self { code: Some(code.into()), detail: Some(detail.to_owned()), ..self }
    }
}
