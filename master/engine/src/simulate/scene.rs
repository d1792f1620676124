//! What all rollouts of a simulation share: the clock, the hosts, and what is under way to them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use crate::simulate::Scenario;
use crate::simulate::chance::{About, Chance};
use crate::simulate::fate::Fates;
use crate::simulate::host::RealHost;
use crate::simulate::journal::Journal;
use crate::simulate::laws::Laws;
use crate::simulate::names::{number, time};
use crate::simulate::network::{MINUTE, Network, SECOND, Time};
use crate::simulate::queue::Queue;
use crate::simulate::run::OLD;
use crate::simulate::worker::{Fleet, SimulatedTask};
use crate::{Command, DriverEvent, Event, Plan, State, Status};

/// How long it takes until somebody answers.
const THINKS: std::ops::Range<Time> = 30 * SECOND..40 * MINUTE;

/// To whom an answer goes: to the process that asked, if it is still there and still waits for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thread {
    pub(super) rollout: usize,
    pub(super) life: u32,
    pub(super) host: u32,
    pub(super) round: u32,
}

/// What is going to happen.
pub(super) enum Due {
    /// Something that was sent arrives at a host.
    Arrives(Thread, SimulatedTask),
    /// An answer arrives at the master.
    StoredEvent(Thread, Box<Event>),
    /// Somebody begins the second rollout, if they may.
    Begins(u32),
    /// A master that died is started again.
    Restarts(usize),
    /// Somebody answers the question of that time.
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
    /// Until when its driver waits for something to happen; none if nobody drives it.
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

pub(super) struct Scene {
    pub(super) scenario: Scenario,
    pub(super) chance: Chance,
    pub(super) fleet: Fleet,
    pub(super) queue: Queue<Due>,
    pub(super) rollouts: Vec<Rollout>,
    pub(super) laws: Laws,
    pub(super) now: Time,
    pub(super) events: u64,
    /// How often somebody was asked how to go on.
    pub(super) questions: u32,
}

/// The scene, as everybody on it has it. Nobody keeps it borrowed over a wait.
pub(super) type Shared = Rc<RefCell<Scene>>;

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

    fn listens(&self, thread: Thread) -> bool {
        self.waits.is_some()
            && self.life == thread.life
            && self.rounds[thread.host as usize] == thread.round
    }
}

impl Scene {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let chance = Chance::of(scenario.seed);
        let faults = &scenario.faults;
        let healthy = |host| !chance.happens(faults.unwell, About::Flap, host, 9);
        let hosts = (0..scenario.hosts).map(|host| RealHost::new(Some(OLD), healthy(host)));
        let fates = Fates { chance, faults: faults.clone() };
        let network = Network::new(chance, faults);
        Self {
            scenario: scenario.clone(),
            chance,
            fleet: Fleet { hosts: hosts.collect(), network, fates, old: OLD },
            queue: Queue::new(),
            rollouts: Vec::new(),
            laws: Laws::new(scenario.hosts),
            now: 0,
            events: 0,
            questions: 0,
        }
    }

    /// Sends what the engine commands.
    pub(super) fn send(&mut self, rollout: usize, command: Command) {
        let Rollout { plan, epoch, .. } = &self.rollouts[rollout];
        let epoch = *epoch;
        let (host, errand) = match command {
            Command::Look { host } => (host, SimulatedTask::Look),
            Command::Stage { host } => match plan.target {
                Some(release) => (host, SimulatedTask::Stage { release }),
                None => return,
            },
            Command::Order { host, order, again } => {
                (host, SimulatedTask::Order { order, epoch, again })
            }
            Command::Ask { host, order } => (host, SimulatedTask::End { order }),
            Command::Abandon { host } => {
                self.thread(rollout, number(&host));
                return;
            }
            Command::Quarantine { .. } | Command::Tell(_) => return,
        };
        let thread = self.thread(rollout, number(&host));
        let latency = self.fleet.network.latency(thread.host, self.now + 1);
        self.queue.put(self.now + latency, Due::Arrives(thread, errand));
    }

    /// The next command to a host: what an earlier one still brings is not listened to.
    fn thread(&mut self, rollout: usize, host: u32) -> Thread {
        let of = &mut self.rollouts[rollout];
        let round = &mut of.rounds[host as usize];
        *round += 1;
        Thread { rollout, life: of.life, host, round: *round }
    }

    /// Something that was sent arrives. An order does so even if its master is dead by now.
    pub(super) fn arrives(&mut self, thread: Thread, errand: SimulatedTask) {
        let order = matches!(errand, SimulatedTask::Order { .. });
        if !order && !self.rollouts[thread.rollout].listens(thread) {
            return;
        }
        let comes = self.fleet.arrives(thread, errand, self.now);
        if let Some(transaction) = comes.taken {
            self.laws.taken(thread.host, &transaction, self.now);
        }
        if let Some((time, event)) = comes.told {
            self.queue.put(time, Due::StoredEvent(thread, Box::new(event)));
        }
        if let Some((time, errand)) = comes.later {
            self.queue.put(time, Due::Arrives(thread, errand));
        }
    }

    /// An answer reaches whoever waits for it.
    pub(super) fn told(&mut self, thread: Thread, event: Event) {
        let rollout = &mut self.rollouts[thread.rollout];
        if rollout.listens(thread) {
            rollout.inbox.push_back(DriverEvent::Event(event));
        }
    }

    /// Looks at what a step has come to: whether it asks somebody, and whether what is over is so.
    pub(super) fn stepped(&mut self, rollout: usize, state: &State) {
        self.events += 1;
        let (status, since) = state.status();
        let question = status.is_a_question().then(|| time(since));
        let of = &mut self.rollouts[rollout];
        if question.is_some() && of.question != question {
            self.questions += u32::from(!matches!(status, Status::AwaitingApproval(_)));
            let thinks = self.chance.within(&THINKS, About::Person, 0, self.events);
            let asked = question.unwrap_or_default();
            self.queue.put(self.now + thinks, Due::Answers(rollout, asked));
        }
        of.question = question;
        // Before another rollout may have the hosts.
        if state.is_over() && !std::mem::replace(&mut of.over, true) {
            self.laws.rests(rollout, state, &mut self.fleet, self.now);
        }
    }

    /// Nothing happens any more: all rollouts are over, or ask something, and what they say is so.
    pub(super) fn end(&mut self) {
        for (number, rollout) in self.rollouts.iter().enumerate() {
            match &rollout.rests {
                Some(state) if state.is_over() => {}
                Some(state) => self.laws.rests(number, state, &mut self.fleet, self.now),
                None => self.laws.break_one(self.now, "it waits for nothing".to_owned()),
            }
        }
    }
}
