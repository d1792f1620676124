//! How an order goes on a simulated host: decided when the host takes it, by its luck alone.

use protocol::{Code, Digest, HostOutcome};

use crate::simulate::network::{MINUTE, SECOND, Time};
use crate::simulate::random::{Purpose, SeededRandom};
use crate::simulate::simulated_host::{
    Ending, NEVER, OrderKey, REVERSAL, SimulatedHost, Transaction,
};
use crate::simulate::{Faults, Rate};

/// How much longer a slow host takes.
const SLOW: Time = 20;
const WATCH: Time = MINUTE;

/// How orders go on all hosts.
pub(super) struct HostBehaviours {
    pub(super) random: SeededRandom,
    pub(super) faults: Faults,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Good,
    FailsAtOnce,
    FailsInTheWatch,
    Stranded,
    NoSpace,
    BuildFails,
    Unclear,
    Hangs,
    Oscillates,
    CutOff,
}

impl HostBehaviours {
    /// The transaction that an order begins.
    pub(super) fn transaction(
        &self,
        number: u32,
        host: &SimulatedHost,
        key: OrderKey,
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
    fn transfer(&self, number: u32) -> Time {
        self.takes(number, Purpose::Speed, 200..3 * SECOND)
    }

    fn forward(
        &self,
        number: u32,
        host: &SimulatedHost,
        key: OrderKey,
        target: Digest,
        now: Time,
    ) -> Transaction {
        let building = now + self.transfer(number);
        let switching = building + self.takes(number, Purpose::Build, SECOND..30 * SECOND);
        let probing = switching + 100;
        let watching = probing + self.takes(number, Purpose::Probe, 300..5 * SECOND);
        let in_the_watch = watching + self.within(number, 0..WATCH);
        let all = [building, switching, probing, watching];
        let ends = |outcome, code, switched, runs| Ending { outcome, code, switched, runs };
        let old = host.active;
        let taken_back = ends(HostOutcome::RolledBack, Some(&Code::RolledBack), true, old);
        let failed = |code| ends(HostOutcome::Failed, Some(code), false, old);
        let updated = ends(HostOutcome::Updated, None, true, Some(target));
        let behaviour = self.behaviour(number, key);
        let (steps, end, ending) = match behaviour {
            Behaviour::Good | Behaviour::CutOff => (all, Some(watching + WATCH), updated),
            Behaviour::FailsAtOnce => {
                ([building, switching, probing, NEVER], Some(watching + REVERSAL), taken_back)
            }
            Behaviour::FailsInTheWatch => (all, Some(in_the_watch + REVERSAL), taken_back),
            Behaviour::Stranded => {
                let stranded = ends(HostOutcome::Stranded, Some(&Code::RollbackFailed), true, old);
                (all, Some(in_the_watch + REVERSAL), stranded)
            }
            Behaviour::NoSpace => ([NEVER; 4], Some(building), failed(&Code::NoSpace)),
            Behaviour::BuildFails => {
                ([building, NEVER, NEVER, NEVER], Some(switching), failed(&Code::BuildFailed))
            }
            Behaviour::Unclear => ([NEVER; 4], Some(building), failed(&Code::Internal)),
            Behaviour::Hangs | Behaviour::Oscillates => {
                ([building, NEVER, NEVER, NEVER], None, failed(&Code::Internal))
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
            cuts_off: behaviour == Behaviour::CutOff,
            oscillates: behaviour == Behaviour::Oscillates,
        }
    }

    /// The way back has nothing to build. Where releases fail, one in fifty fails there, too.
    fn back(
        &self,
        number: u32,
        host: &SimulatedHost,
        key: OrderKey,
        target: Digest,
        now: Time,
    ) -> Transaction {
        let (switching, probing) = (now + 1, now + 100);
        let watching = probing + self.takes(number, Purpose::Probe, 300..5 * SECOND);
        let fails = self.faults.bad > Rate::default()
            && self.random.happens(Rate::of_million(20_000), Purpose::Detail, number, 7);
        let (outcome, code, runs) = if fails {
            (HostOutcome::Failed, Some(&Code::RolledBack), host.active)
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
            oscillates: false,
        }
    }

    fn behaviour(&self, number: u32, key: OrderKey) -> Behaviour {
        let Faults { bad, broken, unclear, hung, gone, .. } = &self.faults;
        let nth = key.rollout as u64;
        let mut drawn = self.random.number(Purpose::Behaviour, number, nth) % Rate::ALWAYS;
        let detail = self.random.number(Purpose::Detail, number, nth) % 10;
        // A release that is bad everywhere fails on all hosts that come so far as to try it.
        for (rate, behaviour) in [
            (broken, [Behaviour::BuildFails, Behaviour::NoSpace, Behaviour::NoSpace]),
            (unclear, [Behaviour::Unclear; 3]),
            (hung, [Behaviour::Hangs, Behaviour::Oscillates, Behaviour::Oscillates]),
            (gone, [Behaviour::CutOff; 3]),
            (bad, [Behaviour::FailsAtOnce, Behaviour::FailsInTheWatch, Behaviour::Stranded]),
        ] {
            match drawn.checked_sub(rate.parts()) {
                Some(rest) => drawn = rest,
                None if detail < 6 => return behaviour[0],
                None if detail < 9 => return behaviour[1],
                None => return behaviour[2],
            }
        }
        Behaviour::Good
    }

    fn takes(&self, number: u32, about: Purpose, range: std::ops::Range<Time>) -> Time {
        let slow = self.random.happens(self.faults.slow, Purpose::Speed, number, 1);
        let time = self.random.within(&range, about, number, 0);
        if slow { time * SLOW } else { time }
    }

    fn within(&self, number: u32, range: std::ops::Range<Time>) -> Time {
        self.random.within(&range, Purpose::Detail, number, 5)
    }
}
