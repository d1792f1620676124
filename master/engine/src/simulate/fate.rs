//! What comes of an order on a host: decided when it is taken, by the host's luck alone.

use protocol::{Digest, HostOutcome};

use crate::simulate::chance::{About, Chance};
use crate::simulate::host::{Ending, Key, NEVER, RealHost, Transaction};
use crate::simulate::network::{MINUTE, SECOND, Time};
use crate::simulate::{Faults, Rate};

/// How much longer a slow host takes.
const SLOW: Time = 20;
const WATCH: Time = MINUTE;

/// The luck of all hosts.
pub(super) struct Fates {
    pub(super) chance: Chance,
    pub(super) faults: Faults,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Good,
    FailsAtOnce,
    FailsInTheWatch,
    Stranded,
    NoSpace,
    BuildFails,
    Unclear,
    Hangs,
    Wavers,
    CutOff,
}

impl Fates {
    /// The transaction that an order begins.
    pub(super) fn transaction(
        &self,
        number: u32,
        host: &RealHost,
        key: Key,
        target: Digest,
        now: Time,
    ) -> Transaction {
        if key.back {
            self.back(number, host, key, target, now)
        } else {
            self.forward(number, host, key, target, now)
        }
    }

    /// How long the bytes take.
    pub(super) fn transfer(&self, number: u32) -> Time {
        self.takes(number, About::Speed, 200..3 * SECOND)
    }

    fn forward(
        &self,
        number: u32,
        host: &RealHost,
        key: Key,
        target: Digest,
        now: Time,
    ) -> Transaction {
        let transfer = if host.staged == Some(target) { 1 } else { self.transfer(number) };
        let building = now + transfer;
        let switching = building + self.takes(number, About::Build, SECOND..30 * SECOND);
        let probing = switching + 100;
        let watching = probing + self.takes(number, About::Probe, 300..5 * SECOND);
        let reversal = 2 * SECOND;
        let in_the_watch = watching + self.within(number, 0..WATCH);
        let all = [building, switching, probing, watching];
        let ends = |outcome, code, switched, runs| Ending { outcome, code, switched, runs };
        let old = host.active;
        let taken_back = ends(HostOutcome::RolledBack, Some("rolled_back"), true, old);
        let failed = |code| ends(HostOutcome::Failed, Some(code), false, old);
        let updated = ends(HostOutcome::Updated, None, true, Some(target));
        let fate = self.fate(number, key);
        let (steps, end, ending) = match fate {
            Fate::Good | Fate::CutOff => (all, Some(watching + WATCH), updated),
            Fate::FailsAtOnce => {
                ([building, switching, probing, NEVER], Some(watching + reversal), taken_back)
            }
            Fate::FailsInTheWatch => (all, Some(in_the_watch + reversal), taken_back),
            Fate::Stranded => {
                let stranded = ends(HostOutcome::Stranded, Some("rollback_failed"), true, old);
                (all, Some(in_the_watch + reversal), stranded)
            }
            Fate::NoSpace => ([NEVER; 4], Some(building), failed("no_space")),
            Fate::BuildFails => {
                ([building, NEVER, NEVER, NEVER], Some(switching), failed("build_failed"))
            }
            Fate::Unclear => ([NEVER; 4], Some(building), failed("internal")),
            Fate::Hangs | Fate::Wavers => {
                ([building, NEVER, NEVER, NEVER], None, failed("internal"))
            }
        };
        Transaction {
            key,
            target,
            from: old,
            began: now,
            steps,
            ends: end,
            ending,
            cuts_off: fate == Fate::CutOff,
            wavers: fate == Fate::Wavers,
        }
    }

    /// The way back has nothing to build. Where releases fail, one in fifty fails there, too.
    fn back(
        &self,
        number: u32,
        host: &RealHost,
        key: Key,
        target: Digest,
        now: Time,
    ) -> Transaction {
        let (switching, probing) = (now + 1, now + 100);
        let watching = probing + self.takes(number, About::Probe, 300..5 * SECOND);
        let fails = self.faults.bad > Rate::default()
            && self.chance.happens(Rate::of_million(20_000), About::Detail, number, 7);
        let (outcome, code, runs) = if fails {
            (HostOutcome::Failed, Some("rolled_back"), host.active)
        } else {
            (HostOutcome::RolledBack, None, Some(target))
        };
        Transaction {
            key,
            target,
            from: host.active,
            began: now,
            steps: [NEVER, switching, probing, watching],
            ends: Some(watching + WATCH),
            ending: Ending { outcome, code, switched: true, runs },
            cuts_off: false,
            wavers: false,
        }
    }

    fn fate(&self, number: u32, key: Key) -> Fate {
        let Faults { bad, broken, unclear, hung, gone, .. } = &self.faults;
        let nth = key.rollout as u64;
        let mut drawn = self.chance.number(About::Fate, number, nth) % Rate::ALWAYS;
        let detail = self.chance.number(About::Detail, number, nth) % 10;
        for (rate, fate) in [
            (bad, [Fate::FailsAtOnce, Fate::FailsInTheWatch, Fate::Stranded]),
            (broken, [Fate::BuildFails, Fate::NoSpace, Fate::NoSpace]),
            (unclear, [Fate::Unclear; 3]),
            (hung, [Fate::Hangs, Fate::Wavers, Fate::Wavers]),
            (gone, [Fate::CutOff; 3]),
        ] {
            match drawn.checked_sub(rate.parts()) {
                Some(rest) => drawn = rest,
                None if detail < 6 => return fate[0],
                None if detail < 9 => return fate[1],
                None => return fate[2],
            }
        }
        Fate::Good
    }

    fn takes(&self, number: u32, about: About, range: std::ops::Range<Time>) -> Time {
        let slow = self.chance.happens(self.faults.slow, About::Speed, number, 1);
        let time = self.chance.within(&range, about, number, 0);
        if slow { time * SLOW } else { time }
    }

    fn within(&self, number: u32, range: std::ops::Range<Time>) -> Time {
        self.chance.within(&range, About::Detail, number, 5)
    }
}
