//! What all rollouts of a simulation share: the clock, the hosts, and what is under way to them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use crate::simulate::Scenario;
use crate::simulate::fleet::{Fleet, Message, OLD, ReplyTo};
use crate::simulate::host_behaviour::HostBehaviours;
use crate::simulate::invariants::InvariantChecker;
use crate::simulate::journal::Journal;
use crate::simulate::names::{number, time};
use crate::simulate::network::{MINUTE, Network, SECOND, Time};
use crate::simulate::queue::Queue;
use crate::simulate::random::{Purpose, SeededRandom};
use crate::simulate::simulated_host::{OrderKey, SimulatedHost};
use crate::{Command, DriverEvent, Event, Plan, State, Status};

/// How long it takes until an operator answers.
const THINKS: std::ops::Range<Time> = 30 * SECOND..40 * MINUTE;

/// What is going to happen.
pub(super) enum Due {
    /// Something that was sent arrives at a host.
    Arrives(ReplyTo, Message),
    /// An answer arrives at the master.
    AnswerArrives(ReplyTo, Box<Event>),
    /// An operator begins the second rollout, if no other holds its hosts.
    Begins(u32),
    /// A master that died is started again.
    Restarts(usize),
    /// An operator answers the question of that time.
    Answers(usize, Time),
    Interrupts,
}

/// One rollout, and the process that drives it.
pub(super) struct Rollout {
    pub(super) plan: Arc<Plan>,
    pub(super) journal: Journal,
    /// Which process drives it, counted from 0.
    pub(super) life: u32,
    pub(super) epoch: u64,
    /// What has happened, and was not taken in yet.
    pub(super) inbox: VecDeque<DriverEvent>,
    /// Until when its driver waits for something to happen; none if it has no driver.
    pub(super) waits: Option<Time>,
    /// How it stood when its last driver left it at rest.
    pub(super) rests: Option<State>,
    /// Whether its end has been seen.
    over: bool,
    /// Since when it asks something, if it does.
    question: Option<Time>,
    /// Which command to a host is the last one.
    rounds: Vec<u32>,
}

pub(super) struct SimulationState {
    pub(super) scenario: Scenario,
    pub(super) random: SeededRandom,
    pub(super) fleet: Fleet,
    pub(super) queue: Queue<Due>,
    pub(super) rollouts: Vec<Rollout>,
    pub(super) invariants: InvariantChecker,
    pub(super) now: Time,
    pub(super) events: u64,
    /// How often an operator was asked how to go on.
    pub(super) questions: u32,
}

/// The state, shared by the drivers. It is never borrowed over a wait.
pub(super) type Shared = Rc<RefCell<SimulationState>>;

impl Rollout {
    pub(super) fn new(plan: Plan, hosts: u32, deaths: Vec<u64>, read: bool, now: Time) -> Self {
        let plan = Arc::new(plan);
        Self {
            journal: Journal::new(Arc::clone(&plan), deaths, read, now),
            plan,
            life: 0,
            epoch: 1,
            inbox: VecDeque::new(),
            waits: None,
            rests: None,
            over: false,
            question: None,
            rounds: vec![0; hosts as usize],
        }
    }

    /// The process that drove it does so no more.
    pub(super) fn left(&mut self) {
        self.waits = None;
        self.inbox.clear();
        self.life += 1;
    }

    fn listens(&self, reply_to: ReplyTo) -> bool {
        self.waits.is_some()
            && self.life == reply_to.life
            && self.rounds[reply_to.host as usize] == reply_to.round
    }
}

impl SimulationState {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let random = SeededRandom::of(scenario.seed);
        let faults = &scenario.faults;
        let healthy = |host| !random.happens(faults.unwell, Purpose::Flap, host, 9);
        let hosts = (0..scenario.hosts).map(|host| SimulatedHost::new(Some(OLD), healthy(host)));
        let behaviours = HostBehaviours { random, faults: faults.clone() };
        let network = Network::new(random, faults);
        Self {
            scenario: scenario.clone(),
            random,
            fleet: Fleet { hosts: hosts.collect(), network, behaviours },
            queue: Queue::new(),
            rollouts: Vec::new(),
            invariants: InvariantChecker::new(scenario.hosts, faults.bad.is_always()),
            now: 0,
            events: 0,
            questions: 0,
        }
    }

    /// Sends what the engine commands.
    pub(super) fn send(&mut self, rollout: usize, command: Command) {
        let epoch = self.rollouts[rollout].epoch;
        let (host, message) = match command {
            Command::Observe { host } => (host, Message::Look),
            Command::Order { host, order, again } => (host, Message::Order { order, epoch, again }),
            Command::QueryOutcome { host, order, stop } => (host, Message::End { order, stop }),
            Command::Stop { host } => {
                // The answers to the order are waited for as before.
                let (host, life) = (number(&host), self.rollouts[rollout].life);
                let round = self.rollouts[rollout].rounds[host as usize];
                let reply_to = ReplyTo { rollout, life, host, round };
                let message = Message::Stop { key: OrderKey { rollout, back: false } };
                self.queue.put(self.now + 1, Due::Arrives(reply_to, message));
                return;
            }
            Command::Abandon { host } => {
                self.reply_to(rollout, number(&host));
                return;
            }
            Command::Announce(_) | Command::RecordSkipped(_) => return,
        };
        let reply_to = self.reply_to(rollout, number(&host));
        let latency = self.fleet.network.latency(reply_to.host, self.now + 1);
        self.queue.put(self.now + latency, Due::Arrives(reply_to, message));
    }

    /// The next command to a host: what an earlier one still brings is not listened to.
    fn reply_to(&mut self, rollout: usize, host: u32) -> ReplyTo {
        let of = &mut self.rollouts[rollout];
        let round = &mut of.rounds[host as usize];
        *round += 1;
        ReplyTo { rollout, life: of.life, host, round: *round }
    }

    /// Something that was sent arrives. An order does so even if its master is dead by now.
    pub(super) fn arrives(&mut self, reply_to: ReplyTo, message: Message) {
        let order = matches!(message, Message::Order { .. });
        if !order && !self.rollouts[reply_to.rollout].listens(reply_to) {
            return;
        }
        let comes = self.fleet.arrives(reply_to, message, self.now);
        if let Some(transaction) = comes.taken {
            self.invariants.taken(reply_to.host, &transaction, self.now);
        }
        if let Some((time, event)) = comes.told {
            self.queue.put(time, Due::AnswerArrives(reply_to, Box::new(event)));
        }
        if let Some((time, message)) = comes.later {
            self.queue.put(time, Due::Arrives(reply_to, message));
        }
    }

    /// Hands an answer to the process that waits for it.
    pub(super) fn told(&mut self, reply_to: ReplyTo, event: Event) {
        let rollout = &mut self.rollouts[reply_to.rollout];
        if rollout.listens(reply_to) {
            rollout.inbox.push_back(DriverEvent::Event(event));
        }
    }

    /// Looks at what a step has come to: whether an operator is asked, and whether what is over holds.
    pub(super) fn stepped(&mut self, rollout: usize, state: &State) {
        self.events += 1;
        let (status, since) = state.status();
        let question = status.awaits_operator().then(|| time(since));
        let of = &mut self.rollouts[rollout];
        if question.is_some() && of.question != question {
            self.questions += u32::from(!matches!(status, Status::AwaitingApproval(_)));
            let thinks = self.random.within(&THINKS, Purpose::Person, 0, self.events);
            let asked = question.unwrap_or_default();
            self.queue.put(self.now + thinks, Due::Answers(rollout, asked));
        }
        of.question = question;
        // Before another rollout may have the hosts.
        if state.is_over() && !std::mem::replace(&mut of.over, true) {
            self.invariants.rests(rollout, state, &mut self.fleet, self.now);
        }
    }

    /// Nothing happens any more: all rollouts are over, or ask something, and what they say is so.
    pub(super) fn end(&mut self) {
        for (number, rollout) in self.rollouts.iter().enumerate() {
            match &rollout.rests {
                Some(state) if state.is_over() => {}
                Some(state) => self.invariants.rests(number, state, &mut self.fleet, self.now),
                None => {
                    self.invariants.report_violation(self.now, "it waits for nothing".to_owned());
                }
            }
        }
    }
}
