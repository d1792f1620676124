//! The simulation itself: what happens, one thing after the other, until nothing does. Each rollout is
//! driven by the driver that drives real ones.

use std::cell::RefCell;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use protocol::Digest;

use crate::simulate::chance::About;
use crate::simulate::journal::{Book, Died};
use crate::simulate::names::{date, time};
use crate::simulate::network::{MINUTE, SECOND, Time};
use crate::simulate::outcome::Outcome;
use crate::simulate::scene::{Due, Rollout, Scene, Shared};
use crate::simulate::world::SimulatedWorld;
use crate::simulate::{Answer, Scenario, plan};
use crate::{Approve, DriverEvent, Event, Pause, Request, State, Status, drive};

/// The releases: what all hosts run, what the first rollout brings, and what the second one does.
pub(super) const OLD: Digest = Digest::from_bytes([1; 32]);
const NEW: Digest = Digest::from_bytes([2; 32]);
const NEWER: Digest = Digest::from_bytes([3; 32]);

/// How long it takes until a master is started again.
const RESTARTS: Range<Time> = SECOND..10 * MINUTE;
/// When somebody begins a second rollout or stops the first one, and how often they try again.
const MEANWHILE: Range<Time> = 0..90 * MINUTE;
const ATTEMPTS: u32 = 50;
/// More events than these, and it is taken not to end.
const EVENTS_A_HOST: u64 = 500;

type Driver = Pin<Box<dyn Future<Output = Result<State, Died>>>>;

struct Simulation {
    scene: Shared,
    drivers: Vec<Option<Driver>>,
}

/// Runs a scenario to its end.
pub fn run(scenario: &Scenario) -> Outcome {
    let scene = Rc::new(RefCell::new(Scene::new(scenario)));
    let mut simulation = Simulation { scene: Rc::clone(&scene), drivers: Vec::new() };
    simulation.run();
    drop(simulation);
    let scene = &mut *scene.borrow_mut();
    scene.end();
    Outcome::of(scene)
}

impl Simulation {
    fn run(&mut self) {
        self.begin(NEW);
        let limit = {
            let Scene { scenario, chance, queue, .. } = &mut *self.scene.borrow_mut();
            if scenario.busy {
                queue.put(chance.within(&MEANWHILE, About::Second, 0, 0), Due::Begins(0));
                queue.put(chance.within(&MEANWHILE, About::Second, 0, 1), Due::Interrupts);
            }
            10_000 + EVENTS_A_HOST * u64::from(scenario.hosts)
        };
        while self.one() {
            let mut scene = self.scene.borrow_mut();
            if scene.events > limit {
                let now = scene.now;
                scene.laws.break_one(now, "it does not end".to_owned());
                return;
            }
        }
    }

    /// The next thing that happens; whether there is one.
    fn one(&mut self) -> bool {
        let mut scene = self.scene.borrow_mut();
        let waits = scene.rollouts.iter().enumerate();
        let waits = waits.filter_map(|(rollout, of)| Some((of.waits?, rollout))).min();
        match (scene.queue.next(), waits) {
            (None, None) => return false,
            (Some(next), Some((until, _))) if next <= until => {}
            (Some(_), None) => {}
            (_, Some((until, rollout))) => {
                scene.now = until.max(scene.now);
                scene.rollouts[rollout].inbox.push_back(DriverEvent::Time);
                drop(scene);
                self.poll(rollout);
                return true;
            }
        }
        let Some((now, due)) = scene.queue.take() else { return false };
        scene.now = now.max(scene.now);
        drop(scene);
        self.happens(due);
        true
    }

    fn happens(&mut self, due: Due) {
        match due {
            Due::Arrives(thread, errand) => self.scene.borrow_mut().arrives(thread, errand),
            Due::StoredEvent(thread, event) => {
                self.scene.borrow_mut().told(thread, *event);
                self.poll(thread.rollout);
            }
            Due::Begins(attempt) => {
                if !self.begin(NEWER) && attempt < ATTEMPTS {
                    let mut scene = self.scene.borrow_mut();
                    let again = scene.now + 10 * MINUTE;
                    scene.queue.put(again, Due::Begins(attempt + 1));
                }
            }
            Due::Restarts(rollout) => self.restart(rollout),
            Due::Answers(rollout, question) => self.answer(rollout, question),
            Due::Interrupts => {
                if self.drivers[0].is_some() {
                    self.scene.borrow_mut().rollouts[0].inbox.push_back(DriverEvent::Stop);
                    self.poll(0);
                }
            }
        }
    }

    /// A rollout of all hosts begins, unless another one holds one of them.
    fn begin(&mut self, release: Digest) -> bool {
        let mut scene = self.scene.borrow_mut();
        let Scene { scenario, chance, fleet, rollouts, laws, now, .. } = &mut *scene;
        let number = rollouts.len();
        let plan = plan::of(fleet, &scenario.policy, release, *now);
        let some = 1..20 + 8 * u64::from(scenario.hosts);
        let deaths = if number == 0 { scenario.faults.deaths } else { 0 };
        let deaths = (0..deaths).map(|nth| chance.within(&some, About::Death, nth, 0));
        let read = scenario.is_read();
        if !laws.begins(number, &plan) {
            return false;
        }
        rollouts.push(Rollout::new(plan, scenario.hosts, deaths.collect(), read, *now));
        drop(scene);
        self.drivers.push(None);
        self.drive(number, "ada");
        true
    }

    /// A process takes a rollout up.
    fn drive(&mut self, rollout: usize, who: &str) {
        let epoch = self.scene.borrow().rollouts[rollout].epoch;
        let begins = Event::Driven { who: who.to_owned(), epoch };
        let mut seat = SimulatedWorld { scene: Rc::clone(&self.scene), rollout };
        let mut book = Book { scene: Rc::clone(&self.scene), rollout };
        self.drivers[rollout] =
            Some(Box::pin(async move { drive(&mut seat, &mut book, begins).await }));
        self.poll(rollout);
    }

    /// Lets a driver do what it can, until it waits, rests, or dies.
    fn poll(&mut self, rollout: usize) {
        let Some(driver) = &mut self.drivers[rollout] else { return };
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(ended) = driver.as_mut().poll(&mut context) else { return };
        self.drivers[rollout] = None;
        let scene = &mut *self.scene.borrow_mut();
        let of = &mut scene.rollouts[rollout];
        of.left();
        of.rests = ended.ok();
        if of.rests.is_none() {
            let nth = of.journal.length;
            let pause = scene.chance.within(&RESTARTS, About::Death, 0, nth);
            scene.queue.put(scene.now + pause, Due::Restarts(rollout));
        }
    }

    fn restart(&mut self, rollout: usize) {
        {
            let scene = &mut *self.scene.borrow_mut();
            let of = &mut scene.rollouts[rollout];
            if !of.journal.is_whole() {
                scene.laws.break_one(scene.now, "what was stored makes another state".to_owned());
            }
            // On another machine, or on the same.
            of.epoch += scene.chance.number(About::Takeover, 0, of.journal.length) % 2;
        }
        self.drive(rollout, "bob");
    }

    /// Somebody answers a question, as `swarm rollout` does: what is asked is kept at once, and if
    /// nobody drives the rollout, it is gone on with from here.
    fn answer(&mut self, rollout: usize, question: Time) {
        let driven = self.drivers[rollout].is_some();
        let rests = {
            let scene = &mut *self.scene.borrow_mut();
            let of = &mut scene.rollouts[rollout];
            let state = of.journal.state(None);
            let (status, since) = state.status();
            if !status.is_a_question() || time(since) != question {
                return;
            }
            let drawn = scene.chance.number(About::Person, 1, scene.events) % 10;
            let Some(request) = request(&of.plan, status, scene.scenario.answer, drawn) else {
                return;
            };
            if state.check(&request, date(scene.now)).is_err() {
                return;
            }
            if request == Request::Continue {
                scene.laws.continued(rollout);
            }
            let event = Event::Asked { who: "eve".to_owned(), request };
            of.journal.add(date(scene.now), &event);
            let state = of.journal.state(None);
            scene.stepped(rollout, &state);
            let rests = state.rests();
            scene.rollouts[rollout].rests = rests.then_some(state);
            rests
        };
        if !driven && !rests {
            self.drive(rollout, "eve");
        }
    }
}

/// What somebody answers. Who was asked how to go on may say nothing, or anything.
fn request(plan: &crate::Plan, status: &Status, answer: Answer, drawn: u64) -> Option<Request> {
    let any = answer == Answer::Any;
    match status {
        Status::AwaitingApproval(_) if any && drawn == 0 => Some(Request::Reject),
        Status::AwaitingApproval(_) => Some(Request::Approve { digest: Some(plan.digest()) }),
        Status::Paused(Pause::Asked { .. } | Pause::Interrupted) => Some(Request::Resume),
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
