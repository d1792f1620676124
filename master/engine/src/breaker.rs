//! The breaker: it counts the failures that are the release's own, over the whole rollout.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Plan;

/// What it has counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Breaker {
    /// Failures since the last host on which the release was proven.
    consecutive: u32,
    /// Failures since the beginning, or since somebody said to continue.
    total: u32,
    /// The hosts that failed, by their place in the plan.
    pub(super) failed: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trip {
    /// The release failed on a canary.
    Canary,
    /// It failed on so many hosts one after the other.
    Consecutive(u32),
    /// It failed on so many hosts in all.
    Total(u32),
}

impl Breaker {
    /// The release was proven on a host.
    pub(super) const fn proven(&mut self) {
        self.consecutive = 0;
    }

    /// It could not be. Says whether that is one too many; on a canary, any is.
    pub(super) fn failed(&mut self, host: usize, canary: bool, plan: &Plan) -> Option<Trip> {
        self.consecutive += 1;
        self.total += 1;
        self.failed.push(host);
        let in_a_row = plan.policy.max_consecutive_failures.get();
        if canary {
            Some(Trip::Canary)
        } else if self.consecutive >= in_a_row {
            Some(Trip::Consecutive(self.consecutive))
        } else if plan.failures_in_all().is_some_and(|limit| self.total >= limit) {
            Some(Trip::Total(self.total))
        } else {
            None
        }
    }

    /// Somebody has seen the failures, and said to continue: they do not count any more.
    pub(super) const fn reset(&mut self) {
        self.consecutive = 0;
        self.total = 0;
    }
}

impl fmt::Display for Trip {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Canary => formatter.write_str("the release failed on a canary"),
            Self::Consecutive(1) | Self::Total(1) => {
                formatter.write_str("the release failed on a host")
            }
            Self::Consecutive(hosts) => {
                write!(formatter, "the release failed on {hosts} hosts one after the other")
            }
            Self::Total(hosts) => write!(formatter, "the release failed on {hosts} hosts in all"),
        }
    }
}
