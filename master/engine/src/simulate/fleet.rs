//! The simulated hosts behind their network: what comes of a message to a host, and when. It does what
//! the updater client does with real hosts: a host that cannot be connected to has not got its order, and one whose connection
//! broke is asked what became of it.

use protocol::{Code, Digest, HostOutcome};

use crate::simulate::host_behaviour::HostBehaviours;
use crate::simulate::names::name;
use crate::simulate::network::{MINUTE, Network, SECOND, Time};
use crate::simulate::random::Purpose;
use crate::simulate::simulated_host::{
    OrderKey, OrderRefusal, REVERSAL, SimulatedHost, Transaction,
};
use crate::{Event, HostOrder, HostResult, MasterCode, Observation, ResultCode};

/// What the client waits for, as in `updater_client::Timeouts`.
const CONNECT: Time = 5 * SECOND;
const PAUSE: Time = 5 * SECOND;
const LOST: Time = MINUTE;

/// The release that every host runs in the beginning, and its updater all the time.
pub(super) const OLD: Digest = Digest::from_bytes([1; 32]);

/// All hosts, and the way to them.
pub(super) struct Fleet {
    pub(super) hosts: Vec<SimulatedHost>,
    pub(super) network: Network,
    pub(super) behaviours: HostBehaviours,
}

/// Where an answer goes: to the process that asked, if it is still there and still waits for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplyTo {
    pub(super) rollout: usize,
    pub(super) life: u32,
    pub(super) host: u32,
    pub(super) round: u32,
}

/// Something that is sent to a host.
#[derive(Debug, Clone, Copy)]
pub(super) enum Message {
    Look,
    Order {
        order: HostOrder,
        epoch: u64,
        again: bool,
    },
    /// The stream of an order: the host's next step is due.
    Follow {
        key: OrderKey,
    },
    /// It is to end its order.
    Stop {
        key: OrderKey,
    },
    /// Its order has taken too long: has it come to an end?
    End {
        order: HostOrder,
        /// Whether it is to end it first.
        stop: bool,
    },
    /// The stream broke: what became of the order?
    Ask {
        key: OrderKey,
        since: Time,
        asked: bool,
    },
}

/// What comes of a message: an answer, another message later, both, or nothing ever.
#[derive(Default)]
pub(super) struct Delivery {
    pub(super) told: Option<(Time, Event)>,
    pub(super) later: Option<(Time, Message)>,
    /// An order that the host has begun to carry out just now.
    pub(super) taken: Option<Transaction>,
}

impl Delivery {
    fn told(time: Time, event: Event) -> Self {
        Self { told: Some((time, event)), later: None, taken: None }
    }

    fn later(time: Time, message: Message) -> Self {
        Self { told: None, later: Some((time, message)), taken: None }
    }
}

impl Fleet {
    /// Something that was sent arrives, if it does.
    pub(super) fn arrives(&mut self, reply_to: ReplyTo, message: Message, now: Time) -> Delivery {
        let host = reply_to.host;
        let reaches = self.reaches(host, now);
        let back = now + self.network.latency(host, now);
        match message {
            Message::Look if reaches => {
                let observation = self.hosts[host as usize].seen(now, OLD);
                Delivery::told(back, Event::Observed { host: name(host), observation })
            }
            Message::Look => {
                let observation = Observation::Unreachable {
                    code: MasterCode::ConnectFailed.into(),
                    detail: String::new(),
                };
                Delivery::told(now + CONNECT, Event::Observed { host: name(host), observation })
            }
            // It may have been given before.
            Message::Order { order, again: true, .. } if !reaches => {
                let key = key(reply_to, order);
                Delivery::later(now, Message::Ask { key, since: now, asked: false })
            }
            Message::Order { .. } if !reaches => {
                Delivery::told(now + CONNECT, ended(unreachable(host, MasterCode::ConnectFailed)))
            }
            Message::Order { order, epoch, .. } => self.order(reply_to, order, epoch, now, back),
            Message::End { .. } if !reaches => Delivery::told(now + CONNECT, ended(lost(host))),
            Message::Stop { key } => {
                if reaches {
                    self.hosts[host as usize].stop(now, key);
                }
                Delivery::default()
            }
            Message::End { order, stop: true } => {
                self.hosts[host as usize].stop(now, key(reply_to, order));
                Delivery::later(now + REVERSAL, Message::End { order, stop: false })
            }
            Message::End { order, stop: false } => {
                Delivery::told(back, ended(self.end(host, key(reply_to, order), now)))
            }
            Message::Follow { key } => self.follow(host, key, reaches, now, back),
            Message::Ask { key, since, asked } => {
                self.ask(host, key, (since, asked), reaches, now, back)
            }
        }
    }

    fn reaches(&mut self, host: u32, now: Time) -> bool {
        self.network.reaches(host, now) && !self.hosts[host as usize].is_cut_off(now)
    }

    fn order(
        &mut self,
        reply_to: ReplyTo,
        order: HostOrder,
        epoch: u64,
        now: Time,
        back: Time,
    ) -> Delivery {
        let (host, key) = (reply_to.host, key(reply_to, order));
        let real = &mut self.hosts[host as usize];
        let mut taken = None;
        // It knows the order by its name, if it was given before.
        if real.of(now, key).is_none() {
            let (HostOrder::Forward { to: Some(target), .. } | HostOrder::Back { to: target }) =
                order
            else {
                return Delivery::default();
            };
            let transaction = self.behaviours.transaction(host, real, key, target, now);
            if let Err(refused) = real.take(now, epoch, transaction) {
                let runs = real.runs(now);
                let result = HostResult {
                    from: runs,
                    to: runs,
                    ..HostResult::new(&name(host), HostOutcome::Failed)
                };
                return Delivery::told(back, ended(result.with_reason(refused.code(), "refused")));
            }
            taken = Some(transaction);
        }
        Delivery { taken, ..self.goes_on(host, key, now) }
    }

    /// A step is due: the stream carries it, or breaks.
    fn follow(
        &mut self,
        host: u32,
        key: OrderKey,
        reaches: bool,
        now: Time,
        back: Time,
    ) -> Delivery {
        let lost =
            self.behaviours.random.happens(self.behaviours.faults.lost, Purpose::Reply, host, now);
        if !reaches || lost {
            return Delivery::later(now + PAUSE, Message::Ask { key, since: now, asked: false });
        }
        match self.hosts[host as usize].of(now, key) {
            Some(transaction) if transaction.ends.is_some_and(|end| end <= now) => {
                Delivery::told(back, ended(result(host, &transaction)))
            }
            Some(transaction) => {
                let phase = Event::PhaseEntered {
                    host: name(host),
                    phase: transaction.phase(now),
                    detail: None,
                };
                Delivery { told: Some((back, phase)), ..self.goes_on(host, key, now) }
            }
            None => Delivery::default(),
        }
    }

    /// Waits for the next step on the stream.
    fn goes_on(&mut self, host: u32, key: OrderKey, now: Time) -> Delivery {
        match self.hosts[host as usize].of(now, key) {
            Some(transaction) => {
                let step = transaction.next_step(now).or(transaction.ends);
                let later = step.map(|step| (step.max(now), Message::Follow { key }));
                Delivery { later, ..Delivery::default() }
            }
            None => Delivery::default(),
        }
    }

    fn end(&mut self, host: u32, key: OrderKey, now: Time) -> HostResult {
        let order = self.hosts[host as usize].of(now, key);
        match order.filter(|order| order.ends.is_some_and(|end| end <= now)) {
            Some(order) => result(host, &order),
            None => HostResult::new(&name(host), HostOutcome::Unclear)
                .with_reason(MasterCode::Deadline, "it goes on"),
        }
    }

    fn ask(
        &mut self,
        host: u32,
        key: OrderKey,
        (since, asked): (Time, bool),
        reaches: bool,
        now: Time,
        back: Time,
    ) -> Delivery {
        if !reaches {
            if now >= since + LOST {
                return Delivery::told(now, ended(lost(host)));
            }
            return Delivery::later(now + PAUSE, Message::Ask { key, since, asked });
        }
        match self.hosts[host as usize].of(now, key) {
            Some(_) => self.goes_on(host, key, now),
            None if asked => Delivery::told(back, ended(unreachable(host, MasterCode::NotTaken))),
            None => Delivery::later(now + PAUSE, Message::Ask { key, since: now, asked: true }),
        }
    }
}

fn key(reply_to: ReplyTo, order: HostOrder) -> OrderKey {
    OrderKey { rollout: reply_to.rollout, back: matches!(order, HostOrder::Back { .. }) }
}

fn ended(result: HostResult) -> Event {
    Event::OrderEnded { result: Box::new(result) }
}

fn unreachable(host: u32, code: MasterCode) -> HostResult {
    HostResult::new(&name(host), HostOutcome::Unreachable).with_reason(code, "it does not answer")
}

/// It has its order, and does not answer any more.
fn lost(host: u32) -> HostResult {
    let result = HostResult::new(&name(host), HostOutcome::Unclear);
    result.with_reason(MasterCode::Lost, "it does not answer")
}

fn result(host: u32, transaction: &Transaction) -> HostResult {
    let Transaction { from, began, ends, ending, .. } = transaction;
    HostResult {
        from: *from,
        to: ending.runs,
        code: ending.code.cloned().map(ResultCode::from),
        detail: ending.code.map(ToString::to_string),
        duration_ms: ends.map_or(0, |end| end - began),
        ..HostResult::new(&name(host), ending.outcome)
    }
}

impl OrderRefusal {
    const fn code(self) -> Code {
        match self {
            Self::Busy => Code::UpdateInProgress,
            Self::StaleMaster => Code::StaleMaster,
        }
    }
}
