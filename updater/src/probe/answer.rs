//! What a probe expects, and what it got.

use std::net::SocketAddr;
use std::path::PathBuf;

use protocol::{Digest, Proof};

use crate::runner::{ExitReport, Instance};

/// Characters of a body that stand in the same line as what was seen.
const SHOWN: usize = 200;

/// Which release has to answer.
#[derive(Debug, Clone)]
pub struct Expectation {
    pub digest: Digest,
    /// Its directory, as it was given in `RELEASE_PATH`.
    pub path: PathBuf,
    pub version: Option<String>,
    /// The version of the release before. Where both are the same, a version proves nothing.
    pub old_version: Option<String>,
    /// The agent that was started after the switch; absent for a release without a process, whose probe
    /// may be answered by any program that uses its files.
    pub instance: Option<Instance>,
    /// An echo is not enough: the release that is activated ran before, so that the old process
    /// would answer with the right digest.
    pub process_too: bool,
}

impl Expectation {
    /// Whether the agent has ended.
    pub fn agent_is_gone(&self) -> bool {
        self.instance.as_ref().is_some_and(|instance| !instance.is_alive())
    }

    /// Whether the agent has ended, or is about to.
    pub(super) fn agent_is_ending(&self) -> bool {
        self.instance.as_ref().is_some_and(Instance::is_ending)
    }

    /// Waits for the end of the agent, and for ever where there is none.
    pub(super) async fn agent_exited(&self) -> ExitReport {
        match &self.instance {
            Some(instance) => instance.exited().await,
            None => std::future::pending().await,
        }
    }
}

/// What shows that an answer is the expected release's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The agent gave it.
    By(Proof),
    /// The release has no process: its files are all that there is of it.
    WithoutProcess,
}

impl Shown {
    /// As it is told.
    pub(super) const fn proof(self) -> Option<Proof> {
        match self {
            Self::By(proof) => Some(proof),
            Self::WithoutProcess => None,
        }
    }
}

/// One answer, or the lack of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Something took the connection. Before the first such answer the agent may still be starting.
    pub answered: bool,
    /// The answer itself was good, whichever process gave it.
    pub healthy: bool,
    /// What shows that it is the expected release's; `None` if nothing does.
    pub shown: Option<Shown>,
    /// What was seen, in words.
    pub detail: String,
    /// The beginning of the answer's body, or the end of the command's output, fit for a screen.
    pub body: Option<String>,
    /// Why the probe itself may be wrong.
    pub suspicion: Option<Suspicion>,
}

/// What an answer says of the probe; it takes more to know ([`super::Probe::mistake`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// It is known already.
    Known(ProbeMistake),
    /// A TLS handshake came to no end, and nothing said why.
    NoHandshake,
    /// What came is no answer in clear.
    NotUnderstood,
    /// The connection was refused.
    Refused,
}

/// Why no program could pass a probe, whatever release it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
pub enum ProbeMistake {
    #[strum(serialize = "it speaks TLS, and the url says http")]
    SpeaksTls,
    #[strum(serialize = "it does not speak TLS, and the url says https")]
    SpeaksNoTls,
    #[strum(serialize = "its certificate is not trusted")]
    Untrusted,
    #[strum(to_string = "it listens elsewhere ({0}), and not where the probe asks")]
    ListensElsewhere(SocketAddr),
    #[strum(serialize = "it does not take the question (url, host, headers, method, expect)")]
    QuestionRefused,
}

impl Answer {
    /// Whether the expected release answered, and answered well.
    pub fn passed(&self) -> bool {
        self.healthy && self.shown.is_some()
    }

    /// What was seen, with how the answer's own words begin.
    pub fn words(&self) -> String {
        let body = self.body.as_ref().filter(|_| !self.passed());
        let Some(body) = body.filter(|body| !self.detail.contains(body.as_str())) else {
            return self.detail.clone();
        };
        let line = body.split_whitespace().collect::<Vec<_>>().join(" ");
        let more = if line.chars().count() > SHOWN { "…" } else { "" };
        let shown: String = line.chars().take(SHOWN).collect();
        format!("{}: {shown}{more}", self.detail)
    }

    pub(super) fn silence(detail: String) -> Self {
        Self { answered: false, healthy: false, shown: None, detail, body: None, suspicion: None }
    }

    pub(super) fn failure(detail: String) -> Self {
        Self { answered: true, ..Self::silence(detail) }
    }

    pub(super) fn because(self, suspicion: Option<Suspicion>) -> Self {
        Self { suspicion, ..self }
    }

    pub(super) fn healthy(detail: String, shown: Result<Shown, String>) -> Self {
        let (shown, detail) = match shown {
            Ok(shown) => (Some(shown), detail),
            Err(why) => (None, format!("{detail}, but {why}")),
        };
        Self { answered: true, healthy: true, shown, detail, body: None, suspicion: None }
    }
}
