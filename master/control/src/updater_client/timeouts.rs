//! How long is waited for what: `--timeout`, and what follows from it. There is no limit on a whole order: a slow build is no failure.

use std::time::Duration;

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
    /// Between two questions about an order whose connection broke.
    pub pause: Duration,
    /// For a host that does not answer any more while its order may be under way.
    pub lost: Duration,
}

impl Timeouts {
    /// For a host that is given up when it has been silent for so long.
    pub fn of(timeout: Duration) -> Self {
        Self {
            connect: timeout.min(Duration::from_secs(5)),
            handshake: timeout.min(Duration::from_secs(10)),
            answer: timeout,
            silence: timeout.min(Duration::from_secs(20)),
            pause: Duration::from_millis(500),
            lost: timeout.saturating_mul(2),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::of(Duration::from_secs(30))
    }
}
