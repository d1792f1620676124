//! How long to wait before the next attempt: twice as long each time, up to a longest, and never
//! quite as long as another process that failed at the same moment.
//!
//! It only computes. It must never sleep, read a clock or draw a random number: its caller does.

use std::time::Duration;

/// The pauses between attempts: the first, and the longest that doubling leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Pauses that double from `first` to `longest`, which is at least `first`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        let longest = if longest.as_nanos() < first.as_nanos() { first } else { longest };
        Self { first, longest }
    }

    /// Pauses that do not grow: for looking again at what costs nothing to look at.
    pub const fn constant(pause: Duration) -> Self {
        Self::new(pause, pause)
    }

    /// The pause after so many failed attempts: nothing after none. `random` is a number from all
    /// of `u64`; it takes away up to half of the pause, so that it is never longer than `longest`.
    pub fn delay(self, failed: u32, random: u64) -> Duration {
        let Some(doublings) = failed.checked_sub(1) else { return Duration::ZERO };
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        let whole = self.first.saturating_mul(factor).min(self.longest);
        let nanoseconds = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
        let taken = (u128::from(nanoseconds / 2) * u128::from(random)) >> u64::BITS;
        whole.saturating_sub(Duration::from_nanos(u64::try_from(taken).unwrap_or(0)))
    }

    /// Attempts that begin now: none has failed yet.
    pub const fn attempts(self) -> Attempts {
        Attempts { backoff: self, failed: 0 }
    }
}

/// Attempts at one thing, and how many of them failed in a row.
#[derive(Debug, Clone, Copy)]
pub struct Attempts {
    backoff: Backoff,
    failed: u32,
}

impl Attempts {
    /// Counts a failed attempt; the pause before the next one.
    pub fn fail(&mut self, random: u64) -> Duration {
        self.failed = self.failed.saturating_add(1);
        self.backoff.delay(self.failed, random)
    }

    /// How many attempts failed since the beginning, or since the last success.
    pub const fn failed(&self) -> u32 {
        self.failed
    }

    /// An attempt succeeded: the next failure is the first one again.
    pub const fn succeed(&mut self) {
        self.failed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

    fn pauses(random: u64) -> Vec<u128> {
        (0..9).map(|failed| BACKOFF.delay(failed, random).as_millis()).collect()
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        assert_eq!(pauses(0), [0, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
    }

    #[test]
    fn chance_takes_away_up_to_half() {
        assert_eq!(pauses(u64::MAX / 2)[1..4], [375, 750, 1500]);
        assert_eq!(pauses(u64::MAX)[1..4], [250, 500, 1000]);
    }

    #[test]
    fn no_number_of_failures_and_no_duration_is_too_large() {
        for failed in [0, 1, 32, 33, 34, u32::MAX] {
            assert!(BACKOFF.delay(failed, 0) <= Duration::from_secs(30));
        }
        let longest = Backoff::new(Duration::from_nanos(1), Duration::MAX);
        assert!(longest.delay(u32::MAX, u64::MAX) > Duration::ZERO);
        let longest = Backoff::constant(Duration::MAX);
        assert!(longest.delay(u32::MAX, u64::MAX) > Duration::from_secs(1 << 40));
        assert_eq!(Backoff::constant(Duration::ZERO).delay(u32::MAX, u64::MAX), Duration::ZERO);
    }

    #[test]
    fn a_longest_below_the_first_counts_as_the_first() {
        let backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(1));
        assert_eq!(backoff.delay(1, 0), Duration::from_secs(2));
        assert_eq!(backoff.delay(7, 0), Duration::from_secs(2));
    }

    #[test]
    fn a_success_starts_anew() {
        let mut attempts = BACKOFF.attempts();
        assert_eq!(attempts.fail(0), Duration::from_millis(500));
        assert_eq!(attempts.fail(0), Duration::from_secs(1));
        assert_eq!(attempts.failed(), 2);
        attempts.succeed();
        assert_eq!(attempts.failed(), 0);
        assert_eq!(attempts.fail(0), Duration::from_millis(500));
    }
}
