//! How long the client waits for what: `--timeout`, and what follows from it.
//!
//! There is no limit on a whole order: a slow build is no failure.

use std::time::Duration;

use common::Backoff;

const POLL: Duration = Duration::from_millis(500);
const LONGEST_POLL: Duration = Duration::from_secs(4);

/// Every deadline of the client.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For the TCP connection.
    pub connect: Duration,
    /// For the TLS handshake upon it.
    pub handshake: Duration,
    /// For the head of an answer, and for the whole of a short one.
    pub answer: Duration,
    /// For the next sign of life of an order. Then `/health` is asked, and if the order is still
    /// being carried out, it goes on.
    pub silence: Duration,
    /// Between questions about an order whose connection broke: longer and longer while the host does
    /// not answer.
    pub poll: Backoff,
    /// For a host that does not answer any more while its order may be under way.
    pub lost: Duration,
}

impl Timeouts {
    /// For an operator who gives a host up when it has been silent for so long.
    pub fn of(timeout: Duration) -> Self {
        Self {
            connect: timeout.min(Duration::from_secs(5)),
            handshake: timeout.min(Duration::from_secs(10)),
            answer: timeout,
            silence: timeout.min(Duration::from_secs(20)),
            poll: Backoff::new(POLL, timeout.min(LONGEST_POLL)),
            lost: timeout.saturating_mul(2),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::of(Duration::from_secs(30))
    }
}
