//! One transaction, and what it has found out so far: what all of its phases share.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use archive::Received;
use protocol::{
    Code, Digest, EventKind, FORMAT, Kind, Period, Phase, ProbeReport, Problem, TransactionId,
};
use uuid::Uuid;

use crate::build::BuildPlan;
use crate::release::Slot;
use crate::runner::{Instance, Killed};
use crate::sys::{BootTime, wall_clock};
use crate::transaction::machine::{self, Direction};
use crate::transaction::{
    App, AppLock, Archive, Evidence, Failure, Journal, Order, StopSignal, Target,
};
use crate::trust::VerifiedManifest;

/// Before what the host refused is tried again, where there is no other way: on the way back, and
/// at the end.
pub(super) const RETRY_PAUSES: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(200), Duration::from_secs(1)];

/// Carries one transaction out. It runs as plain blocking code on a thread of its own.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and no state")]
pub(in crate::transaction) struct Engine {
    pub(super) app: Arc<App>,
    pub(super) lock: AppLock,
    pub(super) journal: Journal,
    pub(super) archive: Option<Archive>,
    /// The manifest of the archive, where signatures are asked for.
    pub(super) manifest: Option<Box<VerifiedManifest>>,
    pub(super) label: Option<String>,
    pub(super) received: Option<Received>,
    /// Whether what came is files alone, and says nothing of its start.
    pub(super) files_alone: bool,
    /// The unit files that came in the archive, by their names.
    pub(super) units: BTreeMap<String, String>,
    /// How the release was built, where this updater has done that.
    pub(super) built: Option<BuildPlan>,
    pub(super) report: Option<ProbeReport>,
    /// The agent that this updater has started for the transaction.
    pub(super) started: Option<Instance>,
    pub(super) retry_quarantined: bool,
    /// Whether the caller said that it be done whatever speaks against it.
    pub(super) force: bool,
    /// Whether the caller said that it may go back over what cannot be undone.
    pub(super) irreversible: bool,
    pub(super) evidence: Evidence,
    /// What an operator should know besides how it ended.
    pub(super) notes: Vec<String>,
    /// Whether an earlier updater began the present phase: what happened in between is not known.
    pub(super) resumed: bool,
    /// Whether the journal on the disk has announced the act that is to be done first.
    pub(super) announced: bool,
    pub(super) began: Instant,
}

impl Engine {
    /// A transaction that takes an archive first.
    pub(in crate::transaction) fn receive(
        app: Arc<App>,
        lock: AppLock,
        order: Order,
        manifest: Option<Box<VerifiedManifest>>,
    ) -> io::Result<Self> {
        let digest = match &order.target {
            Target::Archive(archive) => archive.digest(manifest.as_deref()),
            Target::Digest(_) | Target::Previous => None,
        };
        let engine = Self::ordered(app, lock, order, digest, Phase::Receiving)?;
        Ok(Self { manifest, ..engine })
    }

    /// A transaction that activates a release that is on the disk.
    pub(in crate::transaction) fn activate(
        app: Arc<App>,
        lock: AppLock,
        order: Order,
        digest: Digest,
    ) -> io::Result<Self> {
        Self::ordered(app, lock, order, Some(digest), Phase::Staged)
    }

    /// A transaction that an earlier updater began.
    pub(in crate::transaction) fn resumed(app: Arc<App>, lock: AppLock, journal: Journal) -> Self {
        let kept = Evidence::read(&app.settings.files.evidence(), &journal.transaction);
        let engine = Self::new(app, lock, journal);
        Self { evidence: kept.unwrap_or(engine.evidence), resumed: true, ..engine }
    }

    fn ordered(
        app: Arc<App>,
        lock: AppLock,
        order: Order,
        to: Option<Digest>,
        phase: Phase,
    ) -> io::Result<Self> {
        let layout = &app.settings.layout;
        layout.create()?;
        let now = wall_clock();
        let least = app.settings.config.health.watch;
        let journal = Journal {
            format: FORMAT,
            transaction: TransactionId::new(Uuid::now_v7()),
            kind: order.kind,
            phase,
            direction: Direction::Forward,
            from: layout.slot(Slot::Active)?,
            prev: layout.slot(Slot::Prev)?,
            to,
            started_at: now,
            since: now,
            since_boot: BootTime::now(),
            watch: order.options.watch.map_or(least, |asked| Period(asked.0.max(least.0))),
            confirm: order.options.confirm && order.kind != Kind::Stage,
            handover: app.agent.hands_over(order.kind),
            old_agent: None,
            deaths: 0,
            migration: None,
            failure: None,
            outcome: None,
            order: order.order,
            epoch: order.epoch,
            caller: order.caller,
            by: order.by,
        };
        let archive = match order.target {
            Target::Archive(archive) => Some(archive),
            Target::Digest(_) | Target::Previous => None,
        };
        Ok(Self {
            archive,
            retry_quarantined: order.options.retry_quarantined,
            force: order.options.force,
            irreversible: order.options.irreversible,
            ..Self::new(app, lock, journal)
        })
    }

    fn new(app: Arc<App>, lock: AppLock, journal: Journal) -> Self {
        Self {
            evidence: Evidence::new(app.settings.name.clone(), journal.transaction.clone()),
            app,
            lock,
            journal,
            archive: None,
            manifest: None,
            label: None,
            received: None,
            files_alone: false,
            units: BTreeMap::new(),
            built: None,
            notes: Vec::new(),
            report: None,
            started: None,
            retry_quarantined: false,
            force: false,
            irreversible: false,
            resumed: false,
            announced: false,
            began: Instant::now(),
        }
    }

    pub(in crate::transaction) const fn transaction(&self) -> &TransactionId {
        &self.journal.transaction
    }

    /// What it is for.
    pub(in crate::transaction) const fn kind(&self) -> Kind {
        self.journal.kind
    }

    /// The release that was ordered.
    pub(super) fn ordered_release(&self) -> Result<Digest, Failure> {
        let missing = || Problem::new(Code::DigestMissing, "the release has no digest");
        Ok(self.journal.to.ok_or_else(missing)?)
    }

    /// The release that this direction goes to.
    pub(super) fn destination(&self) -> Result<Digest, Failure> {
        let missing = || Problem::new(Code::Internal, "the transaction has no release");
        Ok(self.journal.target().ok_or_else(missing)?)
    }

    /// The first failure is the cause; what fails on the way back is noted beside it.
    pub(super) fn fail(&mut self, failure: Failure) {
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

    /// What had to be killed is told with the end, and to who follows the transaction.
    pub(super) fn note_killed(&mut self, killed: Option<Killed>) {
        let Some(note) = killed.map(|killed| killed.to_string()) else { return };
        tracing::warn!("{}: {note}", self.app.settings.name);
        self.publish(EventKind::Agent { detail: note.clone() });
        self.notes.push(note);
    }

    /// Tells the present phase whether the transaction was asked to stop.
    pub(super) fn stop_signal(&self) -> StopSignal {
        let state = self.journal.state();
        let may = state.direction == Direction::Forward
            && state.kind != Kind::SelfUpdate
            && !machine::is_one_way(state.data, state.phase);
        let transaction = may.then(|| self.transaction().clone());
        self.app.signals.stop_signal(transaction, self.journal.phase)
    }

    /// Waits before something is tried again.
    pub(super) fn pause(&self, pause: Duration) {
        // A timer is made where its clock is.
        self.app.handle.block_on(async { tokio::time::sleep(pause).await });
    }

    pub(super) fn publish(&self, kind: EventKind) {
        self.app.status.publish(Some(&self.journal.transaction), kind);
    }
}
