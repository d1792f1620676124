//! Waiting for something that does not tell us when it happens.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Longer than anything that is waited for takes, on a machine with much else to do.
pub const LONG: Duration = Duration::from_secs(40);
/// Between two looks; longer, the longer it takes: a look may be a whole TLS handshake.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// Looks until there is something, and gives it back. `what` completes "waited in vain for …".
///
/// # Errors
/// When there is nothing after `limit`.
pub fn eventually<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        let waited = begun.elapsed();
        if waited >= limit {
            bail!("waited in vain for {what}, {limit:?} long");
        }
        thread::park_timeout((waited / 10).clamp(PAUSES.0, PAUSES.1));
    }
}
