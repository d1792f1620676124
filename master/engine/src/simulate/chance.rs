//! Chance that can be had again: a number that depends on the seed and on what it is drawn for, and on
//! nothing that was drawn before. So a host has the same luck whatever happens around it.

use std::ops::Range;

use crate::simulate::Rate;

/// The luck of one simulation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance(u64);

/// What a number is drawn for.
#[derive(Debug, Clone, Copy)]
pub(super) enum About {
    Fate,
    Detail,
    Build,
    Probe,
    Speed,
    Latency,
    Reply,
    Flap,
    Partition,
    Death,
    Takeover,
    Person,
    Scenario,
    Second,
}

impl Chance {
    pub(super) const fn of(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// A number for the `nth` draw about something of a host.
    pub(super) const fn number(self, about: About, host: u32, nth: u64) -> u64 {
        mix(mix(self.0 ^ (((about as u64) << 32) | host as u64)) ^ nth)
    }

    /// Whether something happens that happens so often.
    pub(super) fn happens(self, rate: Rate, about: About, host: u32, nth: u64) -> bool {
        self.number(about, host, nth) % Rate::ALWAYS < rate.parts()
    }

    /// Evenly out of a range, which is not empty.
    pub(super) const fn within(self, range: &Range<u64>, about: About, host: u32, nth: u64) -> u64 {
        range.start + self.number(about, host, nth) % (range.end - range.start)
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood, 2014), after one step of its sequence.
const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_has_the_same_luck_and_rates_are_kept() {
        let (one, same, other) = (Chance::of(7), Chance::of(7), Chance::of(8));
        let rate: Rate = "25%".parse().unwrap();
        let hosts = |chance: Chance| -> Vec<u32> {
            (0..10_000).filter(|host| chance.happens(rate, About::Fate, *host, 0)).collect()
        };
        assert_eq!(hosts(one), hosts(same));
        assert_ne!(hosts(one), hosts(other));
        assert!((2300..2700).contains(&hosts(one).len()));
        assert!((0..1000).all(|n| (5..8).contains(&one.within(&(5..8), About::Build, 1, n))));
    }
}
