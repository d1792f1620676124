//! What is simulated.

use std::num::NonZeroU32;
use std::time::Duration;

use protocol::Period;

use crate::simulate::random::{Purpose, SeededRandom};
use crate::simulate::{Faults, Rate};
use crate::{Amount, Approve, OnTrip, Policy};

/// One simulation. Two that are the same come to the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Number of hosts.
    pub hosts: u32,
    /// Which luck they have.
    pub seed: u64,
    /// How the rollout is carried out.
    pub policy: Policy,
    /// What goes wrong.
    pub faults: Faults,
    /// What an operator answers when the rollout asks.
    pub answer: Answer,
    /// Whether an operator begins a second rollout of the same hosts meanwhile, and interrupts the first.
    pub busy: bool,
}

/// What an operator answers to a rollout that asks how to go on. What waits for approval is approved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Answer {
    /// Nobody answers
    #[default]
    Never,
    /// Go on
    Continue,
    /// Take back what it did
    Rollback,
    /// Leave everything as it is
    Abort,
    /// One of these, by chance
    Any,
}

impl Scenario {
    /// One where everything is up to chance but the number of hosts, and much goes wrong.
    pub fn of_chance(seed: u64, hosts: u32) -> Self {
        let random = SeededRandom::of(seed);
        let one = |nth, of: u64| random.number(Purpose::Scenario, 0, nth) % of;
        let rate = |nth, most: u64| match one(nth, 3) {
            0 => Rate::of_million(one(nth + 100, most)),
            _ => Rate::default(),
        };
        let some = |number: u64| NonZeroU32::new(u32::try_from(number).unwrap_or(1));
        let number = |number: u64| u32::try_from(number).unwrap_or(1);
        let least = NonZeroU32::MIN;
        let amount = |nth| match one(nth, 3) {
            0 => None,
            1 => some(1 + one(nth + 100, 12)).map(Amount::Hosts),
            _ => format!("{}%", 1 + one(nth + 100, 60)).parse().ok(),
        };
        let policy = Policy {
            canary: number(one(0, 4)),
            batch: amount(1),
            parallel: some(1 + one(2, 20)).unwrap_or(least),
            delay: Period(Duration::from_secs(one(3, 3) * 40)),
            max_consecutive_failures: some(1 + one(4, 4)).unwrap_or(least),
            max_failures: amount(5),
            on_trip: [OnTrip::Pause, OnTrip::Rollback, OnTrip::Abort][number(one(6, 3)) as usize],
            approve: [Approve::Never, Approve::Start, Approve::Canary, Approve::Batch]
                [number(one(7, 4)) as usize],
            allow_unhealthy: one(8, 2) == 0,
            ..Policy::default()
        };
        let faults = Faults {
            bad: if one(20, 4) == 0 { Rate::of_million(Rate::ALWAYS) } else { rate(21, 500_000) },
            broken: rate(22, 200_000),
            unclear: rate(23, 100_000),
            hung: rate(24, 50_000),
            gone: rate(25, 100_000),
            unwell: rate(26, 40_000),
            slow: rate(27, 200_000),
            down: rate(28, 100_000),
            flapping: rate(29, 300_000),
            lost: rate(30, 100_000),
            partitions: number(one(31, 3)),
            deaths: number(one(32, 6)),
        };
        let busy = one(40, 2) == 0;
        Self { hosts, seed, policy, faults, answer: Answer::Any, busy }
    }
}
