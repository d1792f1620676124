//! Carries the state machine's decisions out: writes each state down, does what it announces, and
//! asks what comes next. It runs as plain blocking code on a thread of its own.

mod activate;
mod command;
mod finish;
mod handover;
mod log;
mod migrate;
mod recover;
mod self_update;
mod stage;
mod sweep;

use common::StateFileError;
pub use recover::Recovery;

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use protocol::{
    Code, Digest, EventKind, FORMAT, Kind, Period, Phase, ProbeReport, Problem, TransactionId,
    TransactionResult,
};
use uuid::Uuid;

pub(crate) use stage::read_manifest;

use crate::release::{Received, Slot};
use crate::runner::Instance;
use crate::sys::{BootTime, checkpoint, wall_clock};
use crate::transaction::admission::{Archive, Order, Target};
use crate::transaction::evidence::{Entered, Evidence};
use crate::transaction::machine::{self, Direction, Event, Step};
use crate::transaction::stop::Stop;
use crate::transaction::{App, AppLock, Failure, FailureOrigin, Journal};
use crate::trust::Accepted;

/// Before what the host refused is tried again, where there is no other way: on the way back, and
/// at the end.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(200), Duration::from_secs(1)];

/// Said before anything is touched.
const NO_WAY_BACK: &str =
    "the migration cannot be undone: if it or the release fails, the host stays there";

/// One transaction, and what it has found out so far.
pub(super) struct Engine {
    app: Arc<App>,
    lock: AppLock,
    journal: Journal,
    archive: Option<Archive>,
    /// What vouches for the archive, where signatures are asked for.
    accepted: Option<Box<Accepted>>,
    label: Option<Arc<OnceLock<String>>>,
    received: Option<Received>,
    /// The unit files that came in the archive, by their names.
    units: BTreeMap<String, String>,
    report: Option<ProbeReport>,
    started: Option<Instance>,
    retry_quarantined: bool,
    /// Whether the caller said that it may go back over what cannot be undone.
    irreversible: bool,
    evidence: Evidence,
    /// Whether an earlier updater began the present phase: nobody knows what happened in between.
    resumed: bool,
    began: Instant,
}

/// A panic would leave a journal that nobody finishes. Without this process, the next one does.
pub(super) fn or_abort(work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        std::process::abort();
    }
}

impl Engine {
    /// A transaction that takes an archive first.
    pub(super) fn receive(
        app: Arc<App>,
        lock: AppLock,
        order: Order,
        accepted: Option<Box<Accepted>>,
    ) -> io::Result<Self> {
        let digest = match &order.target {
            Target::Archive(archive) => archive.digest.get().copied(),
            _ => None,
        };
        let engine = Self::new(app, lock, order, digest, Phase::Receiving)?;
        Ok(Self { accepted, ..engine })
    }

    /// A transaction that activates a release that is on the disk.
    pub(super) fn activate(
        app: Arc<App>,
        lock: AppLock,
        order: Order,
        digest: Digest,
    ) -> io::Result<Self> {
        Self::new(app, lock, order, Some(digest), Phase::Staged)
    }

    pub(super) const fn transaction(&self) -> &TransactionId {
        &self.journal.transaction
    }

    /// What it is for.
    pub(super) const fn kind(&self) -> Kind {
        self.journal.kind
    }

    /// Carries it out to its end.
    pub(super) fn run(mut self) -> TransactionResult {
        if !self.resumed {
            self.log_began();
        }
        let app = Arc::clone(&self.app);
        let mut agent = None;
        let (phase, direction) = (self.journal.phase, self.journal.direction);
        let mut step = self.enter(phase, direction);
        loop {
            match step {
                Step::Enter(phase, direction) => {
                    if machine::after_switch(phase) && agent.is_none() {
                        agent = Some(app.hold_agent());
                    }
                    step = self.enter(phase, direction);
                }
                Step::End(outcome) => return self.finish(outcome),
            }
        }
    }

    /// Writes a state down, carries its act out and decides what follows.
    fn enter(&mut self, phase: Phase, direction: Direction) -> Step {
        let before = self.journal.state();
        if let Err(error) = self.announce(phase, direction) {
            // The act is not announced, so it does not take place: what fails is the state before.
            // On the way back there is no other way. The next updater sees by the link that it was
            // taken.
            if direction == Direction::Forward {
                self.fail(Failure::host(&error));
                return machine::next(before, Event::Failed);
            }
        }
        let began = Instant::now();
        let mut acted = self.act();
        for pause in PAUSES {
            let again = |failure: &Failure| failure.blame == FailureOrigin::Host;
            if direction == Direction::Back && acted.as_ref().is_err_and(again) {
                self.pause(pause);
                acted = self.act();
            }
        }
        let event = match acted.err().or_else(|| self.stop().heard()) {
            None => {
                self.log_done(began.elapsed());
                Event::Done
            }
            Some(failure) => {
                let stopped = failure.problem.code == Code::Interrupted && !self.may_have_moved();
                self.fail(failure);
                if stopped { Event::Stopped } else { Event::Failed }
            }
        };
        machine::next(self.journal.state(), event)
    }

    fn announce(&mut self, phase: Phase, direction: Direction) -> Result<(), StateFileError> {
        let mut journal = self.journal.clone();
        journal.phase = phase;
        journal.direction = direction;
        // A recovered watch goes on from where it was.
        if (phase, direction) != (self.journal.phase, self.journal.direction) {
            journal.since = wall_clock();
            journal.since_boot = BootTime::now();
            self.resumed = false;
        }
        if (self.journal.phase, phase) == (Phase::Staged, Phase::Starting) {
            journal.old_agent = self.serving();
        }
        let written = journal.write(&self.app.files.journal());
        let failed = written.is_err();
        if !failed || direction == Direction::Back {
            self.journal = journal;
            self.tell_phase();
        }
        checkpoint("journal_written");
        written
    }

    fn act(&mut self) -> Result<(), Failure> {
        if self.journal.kind == Kind::SelfUpdate {
            match self.journal.phase {
                Phase::Staged => return self.check_own(),
                Phase::Probing => return self.try_own(),
                Phase::Switching => return self.switch_own(),
                _ => {}
            }
        }
        match (self.journal.phase, self.journal.direction) {
            (Phase::Receiving, _) => self.take_archive(),
            (Phase::Verifying, _) => self.verify(),
            (Phase::Building, _) => self.build(),
            (Phase::Staged, _) => self.prepare(),
            (Phase::BackingUp, _) => self.back_up(),
            (Phase::Migrating, _) => self.migrate(),
            (Phase::Starting, _) => self.start_beside(),
            (Phase::Switching, _) => self.switch(),
            (Phase::Draining, _) => self.drain(),
            (Phase::Restarting, _) => self.restart(),
            (Phase::Probing, _) => self.prove(),
            (Phase::Confirming, _) => self.await_confirmation(),
            (Phase::Watching, _) => self.watch(),
            (Phase::Reversing, _) => self.reverse(),
            (Phase::Idle, _) => Ok(()),
        }
    }

    /// The last that is done before anything is touched.
    fn prepare(&mut self) -> Result<(), Failure> {
        if self.journal.kind == Kind::Stage {
            return Ok(());
        }
        self.know_the_start()?;
        self.plan_migration()?;
        self.announce_to_release()
    }

    /// A release that nobody can start is refused while the one before still runs.
    fn know_the_start(&self) -> Result<(), Failure> {
        let refused = |failure: Failure| {
            Failure::host_problem(Problem { code: Code::NotSupported, ..*failure.problem })
        };
        self.app.launch(&self.goal()?).map(drop).map_err(refused)
    }

    /// The first failure is the cause; what fails on the way back is noted beside it.
    fn fail(&mut self, failure: Failure) {
        self.log_failed(&failure.problem);
        match &mut self.journal.failure {
            None => self.journal.failure = Some(failure),
            Some(first) => {
                let detail = format!("{}; then: {}", first.problem.detail, failure.problem.detail);
                first.problem.detail = detail;
                first.problem.output.extend(failure.problem.output);
            }
        }
    }

    fn tell_phase(&mut self) {
        let (phase, direction) = (self.journal.phase, self.journal.direction);
        self.evidence.journal.push(Entered { phase, direction, time: self.journal.since });
        self.show_phase();
        self.log_entered();
        let journal = &self.journal;
        let one_way = journal.course.as_ref().is_some_and(|course| course.one_way);
        let detail = match phase {
            Phase::Reversing => journal.failure.as_ref().map(|why| why.problem.detail.clone()),
            Phase::BackingUp if one_way => Some(NO_WAY_BACK.to_owned()),
            _ => None,
        };
        self.tell(EventKind::Phase { phase, kind: journal.kind, detail });
    }

    /// Puts where the transaction stands into what `/health` tells.
    fn show_phase(&self) {
        let journal = &self.journal;
        self.app.update_status(|status| {
            status.phase = journal.phase;
            status.since = journal.since;
            status.began = journal.started_at;
            status.running = Some((journal.transaction.clone(), journal.kind));
            status.to = journal.to;
        });
    }

    /// Whether `active` names the release that the transaction goes to, or cannot be read.
    fn may_have_moved(&self) -> bool {
        self.app.layout.slot(Slot::Active).map_or(true, |active| active == self.journal.to)
    }

    /// What tells whether somebody wants the present phase to end.
    fn stop(&self) -> Stop {
        let state = self.journal.state();
        let may = state.direction == Direction::Forward
            && state.kind != Kind::SelfUpdate
            && !machine::is_one_way(state.data, state.phase);
        let transaction = may.then(|| self.transaction().clone());
        Stop::new(self.app.stopping.subscribe(), transaction, self.journal.phase)
    }

    fn pause(&self, pause: Duration) {
        // A timer is made where its clock is.
        self.app.handle.block_on(async { tokio::time::sleep(pause).await });
    }

    fn tell(&self, kind: EventKind) {
        self.app.tell(Some(&self.journal.transaction), kind);
    }

    fn new(
        app: Arc<App>,
        lock: AppLock,
        order: Order,
        to: Option<Digest>,
        phase: Phase,
    ) -> io::Result<Self> {
        app.layout.create()?;
        let transaction = TransactionId::new(Uuid::now_v7());
        let now = wall_clock();
        let watch = order.options.watch.map_or(app.config.health.watch, |asked| {
            Period(asked.0.max(app.config.health.watch.0))
        });
        let journal = Journal {
            format: FORMAT,
            transaction: transaction.clone(),
            kind: order.kind,
            phase,
            direction: Direction::Forward,
            from: app.layout.slot(Slot::Active)?,
            prev: app.layout.slot(Slot::Prev)?,
            to,
            started_at: now,
            since: now,
            since_boot: BootTime::now(),
            watch,
            confirm: order.options.confirm && order.kind != Kind::Stage,
            handover: app.hands_over(order.kind),
            old_agent: None,
            course: None,
            failure: None,
            outcome: None,
            order: order.order,
            epoch: order.epoch,
            caller: order.caller,
        };
        let archive = match order.target {
            Target::Archive(archive) => Some(archive),
            _ => None,
        };
        Ok(Self {
            evidence: Evidence::new(app.name.clone(), transaction),
            lock,
            label: archive.as_ref().map(|archive| Arc::clone(&archive.label)),
            received: None,
            units: BTreeMap::new(),
            report: None,
            started: None,
            retry_quarantined: order.options.retry_quarantined,
            irreversible: order.options.irreversible,
            resumed: false,
            began: Instant::now(),
            app,
            journal,
            archive,
            accepted: None,
        })
    }
}
