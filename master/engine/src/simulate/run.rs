//! The simulation itself: what happens, one thing after the other, until nothing does. Each rollout is
//! driven by the driver that drives real ones.

use std::cell::RefCell;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use protocol::Digest;

use crate::simulate::executor::SimulatedExecutor;
use crate::simulate::ledger::{Died, SimulatedLedger};
use crate::simulate::names::{date, time};
use crate::simulate::network::{MINUTE, SECOND, Time};
use crate::simulate::outcome::Outcome;
use crate::simulate::random::Purpose;
use crate::simulate::simulation_state::{Due, Rollout, Shared, SimulationState};
use crate::simulate::{Answer, Scenario, plan};
use crate::{Approve, DriverEvent, Event, Pause, Request, State, Status, drive};

/// The releases: what the first rollout brings, and what the second one does.
const NEW: Digest = Digest::from_bytes([2; 32]);
const NEWER: Digest = Digest::from_bytes([3; 32]);

/// How long it takes until a master is started again.
const RESTARTS: Range<Time> = SECOND..10 * MINUTE;
/// When an operator begins a second rollout or stops the first one, and how often they try again.
const MEANWHILE: Range<Time> = 0..90 * MINUTE;
const ATTEMPTS: u32 = 50;
/// More events than these, and it is taken not to end.
const EVENTS_A_HOST: u64 = 500;

type Driver = Pin<Box<dyn Future<Output = Result<State, Died>>>>;

struct Simulation {
    shared: Shared,
    drivers: Vec<Option<Driver>>,
}

/// Runs a scenario to its end.
pub fn run(scenario: &Scenario) -> Outcome {
    let shared = Rc::new(RefCell::new(SimulationState::new(scenario)));
    let mut simulation = Simulation { shared: Rc::clone(&shared), drivers: Vec::new() };
    simulation.run();
    drop(simulation);
    let shared = &mut *shared.borrow_mut();
    shared.end();
    Outcome::of(shared)
}

impl Simulation {
    fn run(&mut self) {
        self.begin(NEW);
        let limit = {
            let SimulationState { scenario, random, queue, .. } = &mut *self.shared.borrow_mut();
            if scenario.busy {
                queue.put(random.within(&MEANWHILE, Purpose::Second, 0, 0), Due::Begins(0));
                queue.put(random.within(&MEANWHILE, Purpose::Second, 0, 1), Due::Interrupts);
            }
            10_000 + EVENTS_A_HOST * u64::from(scenario.hosts)
        };
        while self.one() {
            let mut shared = self.shared.borrow_mut();
            if shared.events > limit {
                let now = shared.now;
                shared.invariants.report_violation(now, "it does not end".to_owned());
                return;
            }
        }
    }

    /// The next thing that happens; whether there is one.
    fn one(&mut self) -> bool {
        let mut shared = self.shared.borrow_mut();
        let waits = shared.rollouts.iter().enumerate();
        let waits = waits.filter_map(|(rollout, of)| Some((of.waits?, rollout))).min();
        match (shared.queue.next(), waits) {
            (None, None) => return false,
            (Some(next), Some((until, _))) if next <= until => {}
            (Some(_), None) => {}
            (_, Some((until, rollout))) => {
                shared.now = until.max(shared.now);
                shared.rollouts[rollout].inbox.push_back(DriverEvent::TimeReached);
                drop(shared);
                self.poll(rollout);
                return true;
            }
        }
        let Some((now, due)) = shared.queue.take() else { return false };
        shared.now = now.max(shared.now);
        drop(shared);
        self.happens(due);
        true
    }

    fn happens(&mut self, due: Due) {
        match due {
            Due::Arrives(reply_to, message) => self.shared.borrow_mut().arrives(reply_to, message),
            Due::AnswerArrives(reply_to, event) => {
                self.shared.borrow_mut().told(reply_to, *event);
                self.poll(reply_to.rollout);
            }
            Due::Begins(attempt) => {
                if !self.begin(NEWER) && attempt < ATTEMPTS {
                    let mut shared = self.shared.borrow_mut();
                    let again = shared.now + 10 * MINUTE;
                    shared.queue.put(again, Due::Begins(attempt + 1));
                }
            }
            Due::Restarts(rollout) => self.restart(rollout),
            Due::Answers(rollout, question) => self.answer(rollout, question),
            Due::Interrupts => {
                if self.drivers[0].is_some() {
                    self.shared.borrow_mut().rollouts[0]
                        .inbox
                        .push_back(DriverEvent::StopRequested);
                    self.poll(0);
                }
            }
        }
    }

    /// A rollout of all hosts begins, unless another one holds one of them.
    fn begin(&mut self, release: Digest) -> bool {
        let mut shared = self.shared.borrow_mut();
        let SimulationState { scenario, random, fleet, rollouts, invariants, now, .. } =
            &mut *shared;
        let number = rollouts.len();
        let plan = plan::of(fleet, &scenario.policy, release, *now);
        let some = 1..20 + 8 * u64::from(scenario.hosts);
        let deaths = if number == 0 { scenario.faults.deaths } else { 0 };
        let deaths = (0..deaths).map(|nth| random.within(&some, Purpose::Death, nth, 0));
        let read = scenario.is_read();
        if !invariants.begins(number, &plan) {
            return false;
        }
        rollouts.push(Rollout::new(plan, scenario.hosts, deaths.collect(), read, *now));
        drop(shared);
        self.drivers.push(None);
        self.drive(number, "ada");
        true
    }

    /// A process takes a rollout up.
    fn drive(&mut self, rollout: usize, who: &str) {
        let epoch = self.shared.borrow().rollouts[rollout].epoch;
        let begins = Event::DriverStarted { who: who.to_owned(), epoch };
        let mut executor = SimulatedExecutor { shared: Rc::clone(&self.shared), rollout };
        let mut ledger = SimulatedLedger { shared: Rc::clone(&self.shared), rollout };
        self.drivers[rollout] =
            Some(Box::pin(async move { drive(&mut executor, &mut ledger, begins).await }));
        self.poll(rollout);
    }

    /// Lets a driver do what it can, until it waits, rests, or dies.
    fn poll(&mut self, rollout: usize) {
        let Some(driver) = &mut self.drivers[rollout] else { return };
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(ended) = driver.as_mut().poll(&mut context) else { return };
        self.drivers[rollout] = None;
        let shared = &mut *self.shared.borrow_mut();
        let of = &mut shared.rollouts[rollout];
        of.left();
        of.rests = ended.ok();
        if of.rests.is_none() {
            let nth = of.journal.length;
            let pause = shared.random.within(&RESTARTS, Purpose::Death, 0, nth);
            shared.queue.put(shared.now + pause, Due::Restarts(rollout));
        }
    }

    fn restart(&mut self, rollout: usize) {
        {
            let shared = &mut *self.shared.borrow_mut();
            let of = &mut shared.rollouts[rollout];
            if !of.journal.is_whole() {
                shared
                    .invariants
                    .report_violation(shared.now, "what was stored makes another state".to_owned());
            }
            // On another machine, or on the same.
            of.epoch += shared.random.number(Purpose::Takeover, 0, of.journal.length) % 2;
        }
        self.drive(rollout, "bob");
    }

    /// The operator answers a question, as `swarm rollout` does: what is asked is kept at once, and if
    /// no process drives the rollout, it goes on from here.
    fn answer(&mut self, rollout: usize, question: Time) {
        let driven = self.drivers[rollout].is_some();
        let rests = {
            let shared = &mut *self.shared.borrow_mut();
            let of = &mut shared.rollouts[rollout];
            let state = of.journal.state(None);
            let (status, since) = state.status();
            if !status.awaits_operator() || time(since) != question {
                return;
            }
            let drawn = shared.random.number(Purpose::Person, 1, shared.events) % 10;
            let Some(request) = request(&of.plan, status, shared.scenario.answer, drawn) else {
                return;
            };
            if state.check(&request, date(shared.now)).is_err() {
                return;
            }
            if request == Request::Continue {
                shared.invariants.continued(rollout);
            }
            let event = Event::Requested { who: "eve".to_owned(), request, because: None };
            of.journal.add(date(shared.now), &event);
            let state = of.journal.state(None);
            shared.stepped(rollout, &state);
            let rests = state.is_idle();
            shared.rollouts[rollout].rests = rests.then_some(state);
            rests
        };
        if !driven && !rests {
            self.drive(rollout, "eve");
        }
    }
}

/// What the operator answers to the question how to go on: anything, or nothing.
fn request(plan: &crate::Plan, status: &Status, answer: Answer, drawn: u64) -> Option<Request> {
    let any = answer == Answer::Any;
    match status {
        Status::AwaitingApproval(_) if any && drawn == 0 => Some(Request::Reject),
        Status::AwaitingApproval(_) => Some(Request::Approve { digest: Some(plan.digest()) }),
        Status::Paused(Pause::Requested { .. } | Pause::Interrupted) => Some(Request::Resume),
        _ => match (answer, drawn) {
            (Answer::Never, _) | (Answer::Any, 0) => None,
            (Answer::Continue, _) | (Answer::Any, 1..=5) => Some(Request::Continue),
            (Answer::Rollback, _) | (Answer::Any, 6..=7) => Some(Request::Rollback),
            (Answer::Abort | Answer::Any, _) => Some(Request::Abort),
        },
    }
}

impl Scenario {
    /// Whether anybody is going to read what was stored.
    fn is_read(&self) -> bool {
        self.faults.deaths > 0
            || self.busy
            || self.answer != Answer::Never
            || self.policy.approve != Approve::Never
    }
}
