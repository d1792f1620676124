//! What a probe expects, and what it got.

use std::path::PathBuf;

use protocol::{Digest, Proof};

use crate::runner::Instance;

/// Which release has to answer.
#[derive(Debug, Clone)]
pub struct Expectation {
    pub digest: Digest,
    /// Its directory, as it was given in `RELEASE_PATH`.
    pub path: PathBuf,
    pub version: Option<String>,
    /// The version of the release before. Where both are the same, a version proves nothing.
    pub old_version: Option<String>,
    /// The agent that was started after the switch.
    pub instance: Instance,
    /// An echo is not enough: the release that is activated ran before, so that the old process
    /// would answer with the right digest.
    pub process_too: bool,
}

/// One answer, or the lack of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Something took the connection. Before the first such answer the agent may still be starting.
    pub answered: bool,
    /// The answer itself was good, whichever process gave it.
    pub healthy: bool,
    /// What proved that the expected release gave it; `None` if nothing did.
    pub proof: Option<Proof>,
    /// What was seen, in words.
    pub detail: String,
    /// The beginning of the answer's body, or the end of the command's output.
    pub body: Option<String>,
    /// Why the probe itself may be wrong.
    pub suspicion: Option<Suspicion>,
}

/// What an answer says of the probe; it takes more to know ([`super::Probe::mistake`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// It is known already.
    Known(ProbeMistake),
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
    #[strum(serialize = "it listens elsewhere, and not where the probe asks")]
    ListensElsewhere,
}

impl Answer {
    /// Whether the expected release answered, and answered well.
    pub fn passed(&self) -> bool {
        self.healthy && self.proof.is_some()
    }

    pub(super) fn silence(detail: String) -> Self {
        Self { answered: false, healthy: false, proof: None, detail, body: None, suspicion: None }
    }

    pub(super) fn failure(detail: String) -> Self {
        Self { answered: true, ..Self::silence(detail) }
    }

    pub(super) fn because(self, suspicion: Option<Suspicion>) -> Self {
        Self { suspicion, ..self }
    }

    pub(super) fn healthy(detail: String, proof: Result<Proof, String>) -> Self {
        let (proof, detail) = match proof {
            Ok(proof) => (Some(proof), detail),
            Err(why) => (None, format!("{detail}, but {why}")),
        };
        Self { answered: true, healthy: true, proof, detail, body: None, suspicion: None }
    }
}
