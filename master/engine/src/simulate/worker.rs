//! The master's end of the network: what a command brings, and when. It does what the client of real
//! workers does: a host that cannot be connected to has not got its order, and one whose connection
//! broke is asked what became of it.

use protocol::{Digest, HostOutcome};

use crate::simulate::chance::About;
use crate::simulate::fate::Fates;
use crate::simulate::host::{Key, RealHost, Refused, Transaction};
use crate::simulate::names::name;
use crate::simulate::network::{MINUTE, Network, SECOND, Time};
use crate::simulate::scene::Thread;
use crate::{Event, HostOrder, Observation, Row};

/// What the client waits for, as in `worker::Timeouts`.
const CONNECT: Time = 5 * SECOND;
const PAUSE: Time = 5 * SECOND;
const LOST: Time = MINUTE;

/// All hosts, and the way to them.
pub(super) struct Fleet {
    pub(super) hosts: Vec<RealHost>,
    pub(super) network: Network,
    pub(super) fates: Fates,
    /// What every host ran in the beginning.
    pub(super) old: Digest,
}

/// Something that is sent to a host.
#[derive(Debug, Clone, Copy)]
pub(super) enum SimulatedTask {
    Look,
    Stage {
        release: Digest,
    },
    Order {
        order: HostOrder,
        epoch: u64,
        again: bool,
    },
    /// The stream of an order: the host's next step is due.
    Follow {
        key: Key,
    },
    /// Its order has taken too long: has it come to an end?
    End {
        order: HostOrder,
    },
    /// The stream broke: what became of the order?
    Ask {
        key: Key,
        since: Time,
        asked: bool,
    },
}

/// What comes of it: an answer, something that goes on later, both, or nothing ever.
#[derive(Default)]
pub(super) struct Comes {
    pub(super) told: Option<(Time, Event)>,
    pub(super) later: Option<(Time, SimulatedTask)>,
    /// An order that the host has begun to carry out just now.
    pub(super) taken: Option<Transaction>,
}

impl Comes {
    fn told(time: Time, event: Event) -> Self {
        Self { told: Some((time, event)), later: None, taken: None }
    }

    fn later(time: Time, errand: SimulatedTask) -> Self {
        Self { told: None, later: Some((time, errand)), taken: None }
    }
}

impl Fleet {
    /// Something that was sent arrives, if it does.
    pub(super) fn arrives(&mut self, thread: Thread, errand: SimulatedTask, now: Time) -> Comes {
        let host = thread.host;
        let reaches = self.reaches(host, now);
        let back = now + self.network.latency(host, now);
        match errand {
            SimulatedTask::Look if reaches => {
                let seen = self.hosts[host as usize].seen(now, self.old);
                Comes::told(back, Event::Seen { host: name(host), seen })
            }
            SimulatedTask::Look => {
                let seen = Observation::Unreachable {
                    code: CONNECT_FAILED.to_owned(),
                    detail: String::new(),
                };
                Comes::told(now + CONNECT, Event::Seen { host: name(host), seen })
            }
            SimulatedTask::Stage { release } => self.stage(host, release, reaches, now),
            // It may have been given before.
            SimulatedTask::Order { order, again: true, .. } if !reaches => {
                let key = key(thread, order);
                Comes::later(now, SimulatedTask::Ask { key, since: now, asked: false })
            }
            SimulatedTask::Order { .. } if !reaches => {
                Comes::told(now + CONNECT, ended(unreachable(host, CONNECT_FAILED)))
            }
            SimulatedTask::Order { order, epoch, .. } => {
                self.order(thread, order, epoch, now, back)
            }
            SimulatedTask::End { .. } if !reaches => {
                Comes::told(now + CONNECT, ended(unreachable(host, "lost")))
            }
            SimulatedTask::End { order } => {
                Comes::told(back, ended(self.end(host, key(thread, order), now)))
            }
            SimulatedTask::Follow { key } => self.follow(host, key, reaches, now, back),
            SimulatedTask::Ask { key, since, asked } => {
                self.ask(host, key, (since, asked), reaches, now, back)
            }
        }
    }

    fn reaches(&mut self, host: u32, now: Time) -> bool {
        self.network.reaches(host, now) && !self.hosts[host as usize].is_cut_off(now)
    }

    fn stage(&mut self, host: u32, release: Digest, reaches: bool, now: Time) -> Comes {
        let there = now + self.fates.transfer(host);
        let arrived = reaches && self.reaches(host, there);
        let error = (!arrived).then(|| CONNECT_FAILED.to_owned());
        if arrived {
            self.hosts[host as usize].staged = Some(release);
        }
        Comes::told(there, Event::Staged { host: name(host), error })
    }

    fn order(
        &mut self,
        thread: Thread,
        order: HostOrder,
        epoch: u64,
        now: Time,
        back: Time,
    ) -> Comes {
        let (host, key) = (thread.host, key(thread, order));
        let real = &mut self.hosts[host as usize];
        let mut taken = None;
        // It knows the order by its name, if it was given before.
        if real.of(now, key).is_none() {
            let (HostOrder::Forward { to: Some(target), .. } | HostOrder::Back { to: target }) =
                order
            else {
                return Comes::default();
            };
            let transaction = self.fates.transaction(host, real, key, target, now);
            if let Err(refused) = real.take(now, epoch, transaction) {
                let runs = real.runs(now);
                let row =
                    Row { from: runs, to: runs, ..Row::new(&name(host), HostOutcome::Failed) };
                return Comes::told(back, ended(row.because(refused.code(), "refused")));
            }
            taken = Some(transaction);
        }
        Comes { taken, ..self.goes_on(host, key, now) }
    }

    /// A step is due: the stream carries it, or breaks.
    fn follow(&mut self, host: u32, key: Key, reaches: bool, now: Time, back: Time) -> Comes {
        let lost = self.fates.chance.happens(self.fates.faults.lost, About::Reply, host, now);
        if !reaches || lost {
            return Comes::later(now + PAUSE, SimulatedTask::Ask { key, since: now, asked: false });
        }
        match self.hosts[host as usize].of(now, key) {
            Some(transaction) if transaction.ends.is_some_and(|end| end <= now) => {
                Comes::told(back, ended(row(host, &transaction)))
            }
            Some(transaction) => {
                let phase =
                    Event::Phase { host: name(host), phase: transaction.phase(now), detail: None };
                Comes { told: Some((back, phase)), ..self.goes_on(host, key, now) }
            }
            None => Comes::default(),
        }
    }

    /// Waits for the next step on the stream.
    fn goes_on(&mut self, host: u32, key: Key, now: Time) -> Comes {
        match self.hosts[host as usize].of(now, key) {
            Some(transaction) => {
                let step = transaction.next_step(now).or(transaction.ends);
                let later = step.map(|step| (step.max(now), SimulatedTask::Follow { key }));
                Comes { later, ..Comes::default() }
            }
            None => Comes::default(),
        }
    }

    fn end(&mut self, host: u32, key: Key, now: Time) -> Row {
        let order = self.hosts[host as usize].of(now, key);
        match order.filter(|order| order.ends.is_some_and(|end| end <= now)) {
            Some(order) => row(host, &order),
            None => Row::new(&name(host), HostOutcome::Failed).because("deadline", "it goes on"),
        }
    }

    fn ask(
        &mut self,
        host: u32,
        key: Key,
        (since, asked): (Time, bool),
        reaches: bool,
        now: Time,
        back: Time,
    ) -> Comes {
        if !reaches {
            if now >= since + LOST {
                return Comes::told(now, ended(unreachable(host, "lost")));
            }
            return Comes::later(now + PAUSE, SimulatedTask::Ask { key, since, asked });
        }
        match self.hosts[host as usize].of(now, key) {
            Some(_) => self.goes_on(host, key, now),
            None if asked => Comes::told(back, ended(unreachable(host, "not_taken"))),
            None => Comes::later(now + PAUSE, SimulatedTask::Ask { key, since: now, asked: true }),
        }
    }
}

const CONNECT_FAILED: &str = "connect_failed";

fn key(thread: Thread, order: HostOrder) -> Key {
    Key { rollout: thread.rollout, back: matches!(order, HostOrder::Back { .. }) }
}

fn ended(row: Row) -> Event {
    Event::Ended { row: Box::new(row) }
}

fn unreachable(host: u32, code: &str) -> Row {
    Row::new(&name(host), HostOutcome::Unreachable).because(code, "it does not answer")
}

fn row(host: u32, transaction: &Transaction) -> Row {
    let Transaction { from, began, ends, ending, .. } = transaction;
    Row {
        from: *from,
        to: ending.runs,
        code: ending.code.map(str::to_owned),
        detail: ending.code.map(str::to_owned),
        duration_ms: ends.map_or(0, |end| end - began),
        ..Row::new(&name(host), ending.outcome)
    }
}

impl Refused {
    const fn code(self) -> &'static str {
        match self {
            Self::Busy => "update_in_progress",
            Self::StaleMaster => "stale_master",
        }
    }
}
