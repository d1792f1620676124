//! An HTTP answer, read to its end.

use std::fmt;

use anyhow::{Context as _, Result, ensure};
use protocol::{Event, EventKind, Problem, TransactionResult, header};
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

/// Status, headers and body.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).with_context(|| format!("read {self:?}"))
    }

    /// The body as a problem, which its media type must say it is.
    ///
    /// # Errors
    /// When it is something else.
    pub fn problem(&self) -> Result<Problem> {
        let kind = self.header("content-type").unwrap_or_default();
        ensure!(kind == header::PROBLEM_JSON, "no problem but {kind}: {self:?}");
        let problem: Problem = self.json()?;
        ensure!(problem.status() == self.status, "the problem has another status: {self:?}");
        Ok(problem)
    }

    /// How the order ended: the body, or the last line of a stream of events.
    ///
    /// # Errors
    /// When it does not say that.
    pub fn result(&self) -> Result<TransactionResult> {
        if self.header("content-type") != Some(header::NDJSON) {
            ensure!(self.status < 300, "refused: {self:?}");
            return self.json();
        }
        match self.events()?.pop().map(|event| event.kind) {
            Some(EventKind::Result(result)) => Ok(*result),
            other => anyhow::bail!("the last event is {other:?}"),
        }
    }

    /// The body as a stream of events.
    ///
    /// # Errors
    /// When a line is something else.
    pub fn events(&self) -> Result<Vec<Event>> {
        let lines = self.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| Ok(serde_json::from_slice(line)?)).collect()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?} {}", self.status, self.headers, self.text())
    }
}
