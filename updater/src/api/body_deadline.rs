//! How long a sender is waited for: between two pieces of a body, and for all of it.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::LimitsConfig;

/// Of one body. It runs from when this is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyDeadline {
    /// In which something has to move.
    silence: Duration,
    /// When all of it has to be there.
    deadline: Instant,
}

impl BodyDeadline {
    /// As the configuration has it, from now on.
    pub(super) fn begin(limits: &LimitsConfig) -> Self {
        let deadline = Instant::now() + limits.receive_timeout.0;
        Self { silence: limits.body_timeout.0, deadline }
    }

    /// Waits for the next piece. The error says which of the two was over.
    pub(super) async fn wait<T>(self, next: impl Future<Output = T>) -> io::Result<T> {
        let silent = Instant::now() + self.silence;
        let why = if silent <= self.deadline {
            "the sender fell silent"
        } else {
            "the sender took longer than limits.receive_timeout"
        };
        let waited = tokio::time::timeout_at(silent.min(self.deadline), next).await;
        waited.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, why))
    }
}
