//! Whether a host can be reached, at any time.

use std::ops::Range;

use crate::simulate::chance::{About, Chance};
use crate::simulate::{Faults, Rate};

/// Milliseconds since the simulation began.
pub(super) type Time = u64;

pub(super) const SECOND: Time = 1000;
pub(super) const MINUTE: Time = 60 * SECOND;

/// How long a host that flaps is there, and how long it is not.
const FLAP: Range<Time> = 2 * MINUTE..12 * MINUTE;
/// When a part of the network is cut off, at the latest, and for how long.
const PARTITION_STARTS: Range<Time> = 0..120 * MINUTE;
const PARTITION_LASTS: Range<Time> = 5 * SECOND..30 * MINUTE;
/// How much of it.
const PARTITION: u64 = 333_333;
const LATENCY: Range<Time> = 1..80;

/// The network between the master and its hosts.
pub(super) struct Network {
    chance: Chance,
    down: Rate,
    flapping: Rate,
    partitions: Vec<Range<Time>>,
}

impl Network {
    pub(super) fn new(chance: Chance, faults: &Faults) -> Self {
        let partition = |number| {
            let start = chance.within(&PARTITION_STARTS, About::Partition, number, 0);
            start..start + chance.within(&PARTITION_LASTS, About::Partition, number, 1)
        };
        let partitions = (0..faults.partitions).map(partition).collect();
        Self { chance, down: faults.down, flapping: faults.flapping, partitions }
    }

    pub(super) fn reaches(&self, host: u32, now: Time) -> bool {
        !self.chance.happens(self.down, About::Flap, host, 0)
            && !self.is_away(host, now)
            && !(0..).zip(&self.partitions).any(|(nth, time)| {
                let cut = Rate::of_million(PARTITION);
                time.contains(&now) && self.chance.happens(cut, About::Partition, host, 2 + nth)
            })
    }

    fn is_away(&self, host: u32, now: Time) -> bool {
        if !self.chance.happens(self.flapping, About::Flap, host, 1) {
            return false;
        }
        let half = self.chance.within(&FLAP, About::Flap, host, 2);
        let shift = self.chance.within(&FLAP, About::Flap, host, 3);
        ((now + shift) / half) % 2 == 1
    }

    /// How long something takes to the host or back.
    pub(super) fn latency(&self, host: u32, nth: u64) -> Time {
        self.chance.within(&LATENCY, About::Latency, host, nth)
    }
}
