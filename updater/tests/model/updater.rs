//! The updater, and everything that can happen to it and to its host next.

use protocol::{Kind, Outcome, Phase};
use updater::transaction::machine::{
    Data, Direction, Event, Recovered, State, Step, after_switch, died_too_often, next, recover,
};

use crate::acts::{Act, acts, goal};
use crate::ending::{ENDINGS, sweep};
use crate::host::{Budget, Host, Journal, Release};

/// What the process has in mind. It dies with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Updater {
    Down,
    Idle,
    /// So many of a phase's acts are done.
    Acting {
        journal: Journal,
        acts: &'static [Act],
        done: usize,
    },
    /// So many steps of the end are done.
    Ending {
        journal: Journal,
        done: usize,
    },
}

/// A host, its updater, and what may still happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) updater: Updater,
    pub(crate) budget: Budget,
    pub(crate) taken: u8,
}

/// What happened, and what the world is then.
pub(crate) struct Move {
    pub(crate) what: String,
    pub(crate) checkpoint: Option<&'static str>,
    pub(crate) world: World,
}

impl World {
    pub(crate) fn new(host: Host, budget: Budget) -> Self {
        Self { host, updater: Updater::Down, budget, taken: 0 }
    }

    /// Everything that can happen next.
    pub(crate) fn moves(&self) -> Vec<Move> {
        let mut moves = match &self.updater {
            Updater::Down => vec![self.go("it is started", None, Self::start)],
            Updater::Idle if self.host.journal.is_some() => {
                // The next order finds the journal, and finishes it first.
                vec![self.go("it finishes what it could not write down", None, Self::start)]
            }
            Updater::Idle => self.orders(),
            Updater::Acting { journal, acts, done } => self.act(journal, acts, *done),
            Updater::Ending { journal, done } => self.end(journal, *done),
        };
        moves.extend(self.accidents());
        moves
    }

    fn go(
        &self,
        what: impl Into<String>,
        checkpoint: Option<&'static str>,
        change: impl FnOnce(&mut Self),
    ) -> Move {
        let mut world = self.clone();
        change(&mut world);
        Move { what: what.into(), checkpoint, world }
    }

    fn accidents(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        if self.budget.crashes > 0 && self.updater != Updater::Down {
            for power in [false, true] {
                let what = if power { "the power is cut" } else { "it is killed" };
                moves.push(self.go(what, None, |world| {
                    world.budget.crashes -= 1;
                    world.updater = Updater::Down;
                    if power {
                        let host = &mut world.host;
                        host.unlucky |= host.agent.is_some() || host.beside.is_some();
                        (host.agent, host.beside) = (None, None);
                    }
                }));
            }
        }
        if self.budget.deaths > 0 && self.host.agent.is_some() {
            moves.push(self.go("the agent dies", None, |world| {
                world.budget.deaths -= 1;
                (world.host.agent, world.host.unlucky) = (None, true);
            }));
        }
        if self.budget.deaths > 0 && self.host.beside.is_some() {
            moves.push(self.go("the agent beside it dies", None, |world| {
                world.budget.deaths -= 1;
                (world.host.beside, world.host.unlucky) = (None, true);
            }));
        }
        if self.host.agent.is_none() && self.host.active.is_some() && self.supervises() {
            moves.push(self.go("the agent is started again", None, |world| {
                world.host.units = world.host.active;
                (world.host.agent, world.host.shown) = (world.host.active, false);
            }));
        }
        moves
    }

    /// From the switch on, a transaction has the agent in its hands.
    fn supervises(&self) -> bool {
        let past = |journal: &Journal| after_switch(journal.state.phase);
        let held = match &self.updater {
            Updater::Down => true,
            Updater::Idle => false,
            Updater::Acting { journal, .. } | Updater::Ending { journal, .. } => past(journal),
        };
        !self.host.own && !self.host.held && !held && !self.host.journal.as_ref().is_some_and(past)
    }

    /// The first thing that an updater does.
    fn start(&mut self) {
        let Some(mut journal) = self.host.journal.clone() else {
            sweep(&mut self.host);
            self.updater = Updater::Idle;
            return;
        };
        if let Some(outcome) = journal.outcome {
            hold_still(&mut self.host, outcome);
            self.updater = Updater::Ending { journal, done: 0 };
            return;
        }
        let host = &self.host;
        let target_runs = if journal.state.handover {
            let to = Some(journal.to);
            host.beside == to || (host.agent == to && !host.old)
        } else {
            host.agent.is_some() && host.agent == goal(&journal)
        };
        // It is on the disk before anything else is done. Where there can be too few, none is counted: each
        // count would be a world of its own.
        journal.found += u8::from(self.budget.counts);
        let deaths = u32::from(journal.found);
        let target_active = self.host.active == Some(journal.to);
        let found = Recovered { target_runs, target_active, deaths };
        let step = recover(journal.state, found);
        journal.blamed |= died_too_often(journal.state, deaths);
        self.host.journal = Some(journal.clone());
        self.follow(journal, step);
    }

    /// Every order that is taken now.
    fn orders(&self) -> Vec<Move> {
        if self.budget.orders == 0 {
            return Vec::new();
        }
        let host = &self.host;
        let fresh = 2 + self.taken;
        if host.own {
            return vec![self.order(Kind::SelfUpdate, Phase::Receiving, false, fresh)];
        }
        if host.migrates && self.taken == 0 {
            return [Data::Migrated, Data::OneWay].map(|data| self.migrating(data, fresh)).into();
        }
        let mut moves = vec![
            self.order(Kind::Stage, Phase::Receiving, false, fresh),
            self.order(Kind::Update, Phase::Receiving, false, fresh),
            self.order(Kind::Update, Phase::Receiving, true, fresh),
        ];
        let staged = |release: &Release| !host.proven.has(*release) && !host.failed.has(*release);
        // One that is on the disk, one that runs, and the one before.
        for release in host.whole.iter().filter(staged).chain(host.active) {
            moves.push(self.order(Kind::Update, Phase::Staged, false, release));
        }
        if let Some(prev) = host.prev.filter(|prev| !host.failed.has(*prev)) {
            moves.push(self.order(Kind::Rollback, Phase::Staged, false, prev));
        }
        moves
    }

    /// A staged release that changes the form of the data. Where nothing ran before, there is nothing that
    /// could not bear that.
    fn migrating(&self, data: Data, to: Release) -> Move {
        let data = if self.host.active.is_none() { Data::Migrated } else { data };
        let mut ordered = self.order(Kind::Update, Phase::Staged, false, to);
        ordered.world.host.whole.add(to);
        ordered.what = format!("{}, {data:?}", ordered.what);
        let level = self.host.form.level + 1;
        ordered.world.host.levels[usize::from(to)] = level;
        if let Updater::Acting { journal, .. } = &mut ordered.world.updater {
            (journal.state.data, journal.state.handover) = (data, false);
            ordered.world.host.journal = Some(journal.clone());
        }
        ordered
    }

    fn order(&self, kind: Kind, phase: Phase, confirm: bool, to: Release) -> Move {
        let what = format!("the order to {kind} {to}, confirmed: {confirm}");
        self.go(what, Some("journal_written"), |world| {
            world.budget.orders -= 1;
            world.taken += 1;
            let (from, prev) = (world.host.active, world.host.prev);
            let direction = Direction::Forward;
            if !world.host.whole.has(to) {
                world.host.levels[usize::from(to)] = world.host.form.level;
            }
            let data = if world.host.fits(to) { Data::Untouched } else { Data::Migrated };
            let handover = world.host.handover && matches!(kind, Kind::Update | Kind::Rollback);
            // The agent has to be stopped where the data changes.
            let handover = handover && data == Data::Untouched;
            let has_from = from.is_some();
            let state = State { kind, phase, direction, confirm, has_from, handover, data };
            let (order, before) = (world.taken, world.host.form);
            let journal = Journal {
                order,
                state,
                from,
                prev,
                to,
                before,
                blamed: false,
                found: 0,
                outcome: None,
            };
            world.follow(journal, Step::Enter(phase, direction));
        })
    }

    fn act(&self, journal: &Journal, acts: &'static [Act], done: usize) -> Vec<Move> {
        let mut moves = Vec::new();
        if self.budget.stops > 0 && journal.state.direction == Direction::Forward {
            let mut world = self.clone();
            world.budget.stops -= 1;
            let flipped = self.host.active == Some(journal.to);
            let event = if flipped { Event::Failed } else { Event::Stopped };
            moves.extend(world.after(journal, event, false));
        }
        let Some(act) = acts.get(done) else {
            moves.extend(self.after(journal, Event::Done, false));
            return moves;
        };
        if !act.is_doomed(&self.host, journal) {
            moves.push(self.go(format!("{act:?}"), act.checkpoint(), |world| {
                act.apply(&mut world.host, journal);
                let journal = journal.clone();
                world.updater = Updater::Acting { journal, acts, done: done + 1 };
            }));
        }
        if act.judges(journal) || act.is_doomed(&self.host, journal) {
            moves.extend(self.after(journal, Event::Failed, true));
        }
        if self.budget.faults > 0 {
            // The disk refuses before it has taken it, or says so though it has.
            for taken in [false, true] {
                let mut world = self.clone();
                world.budget.faults -= 1;
                world.host.unlucky |= journal.state.direction == Direction::Back;
                if taken && !act.is_doomed(&self.host, journal) {
                    act.apply(&mut world.host, journal);
                }
                clean_up(&mut world.host, journal);
                moves.extend(world.after(journal, Event::Failed, false));
            }
        }
        moves
    }

    /// What follows an act: the next state is written down, or the disk refuses even that.
    fn after(&self, journal: &Journal, event: Event, blamed: bool) -> Vec<Move> {
        let mut journal = journal.clone();
        journal.blamed |= blamed;
        let step = next(journal.state, event);
        let what = format!("{} {event:?}: {step:?}", journal.state.phase);
        let entered = matches!(step, Step::Enter(..)).then_some("journal_written");
        let mut moves =
            vec![self.go(what.clone(), entered, |world| world.follow(journal.clone(), step))];
        if self.budget.faults > 0
            && let Step::Enter(phase, direction) = step
        {
            moves.push(self.go(format!("{what}, not written"), None, |world| {
                world.budget.faults -= 1;
                if direction == Direction::Forward {
                    let step = next(journal.state, Event::Failed);
                    world.follow(journal, step);
                } else {
                    // There is no other way.
                    world.enter(journal, phase, direction);
                }
            }));
        }
        moves
    }

    fn follow(&mut self, mut journal: Journal, step: Step) {
        match step {
            Step::Enter(phase, direction) => {
                if (journal.state.phase, phase) == (Phase::Staged, Phase::Starting) {
                    self.host.old = self.host.agent.is_some();
                    self.host.unlucky = self.host.agent.is_none();
                }
                (journal.state.phase, journal.state.direction) = (phase, direction);
                self.host.journal = Some(journal.clone());
                self.enter(journal, phase, direction);
            }
            Step::End(outcome) => {
                journal.outcome = Some(outcome);
                hold_still(&mut self.host, outcome);
                self.updater = Updater::Ending { journal, done: 0 };
            }
        }
    }

    fn enter(&mut self, mut journal: Journal, phase: Phase, direction: Direction) {
        (journal.state.phase, journal.state.direction) = (phase, direction);
        let acts = acts(&self.host, &journal);
        self.updater = Updater::Acting { journal, acts, done: 0 };
    }

    fn end(&self, journal: &Journal, done: usize) -> Vec<Move> {
        let Some(ending) = ENDINGS.get(done) else {
            return vec![self.go("it is over", None, |world| world.updater = Updater::Idle)];
        };
        let mut moves = vec![self.go(format!("{ending:?}"), ending.checkpoint(), |world| {
            ending.apply(&mut world.host, journal);
            world.updater = Updater::Ending { journal: journal.clone(), done: done + 1 };
        })];
        if self.budget.faults > 0 {
            moves.push(self.go(format!("{ending:?} is refused"), None, |world| {
                world.budget.faults -= 1;
                world.updater = Updater::Idle;
            }));
        }
        moves
    }
}

/// Nothing runs on data that has another form, until that is ordered.
fn hold_still(host: &mut Host, outcome: Outcome) {
    let unfit = host.active.is_some_and(|active| !host.fits(active));
    if outcome == Outcome::Stranded && unfit {
        (host.agent, host.held) = (None, true);
        (host.beside, host.beside_known) = (None, false);
    }
}

/// What the engine does at once when the disk refused an act.
fn clean_up(host: &mut Host, journal: &Journal) {
    if journal.state.phase == Phase::Building {
        host.whole.remove(journal.to);
        host.half.remove(journal.to);
    }
    if journal.state.kind == Kind::SelfUpdate && journal.state.phase == Phase::Switching {
        host.active = journal.from;
    }
}

impl World {
    /// The outcome that was just decided, before any of it is written down.
    pub(crate) fn verdict(&self) -> Option<(&Journal, Outcome)> {
        match &self.updater {
            Updater::Ending { journal, done: 0 } => {
                let known = self.host.journal.as_ref().is_some_and(|it| it.outcome.is_some());
                journal.outcome.filter(|_| !known).map(|outcome| (journal, outcome))
            }
            _ => None,
        }
    }
}
