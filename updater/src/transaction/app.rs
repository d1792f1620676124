//! One thing that the updater keeps up to date, put together from its parts: each part says what may
//! touch it.

use std::sync::{Arc, Mutex};

use common::{failed_to, state_file};
use protocol::{
    ActiveRelease, AgentState, AppHealth, AppName, CallerKind, Digest, FORMAT, Kind,
    LastTransaction, OperationKind, OperatorName, Phase, ProbeKind, SlotRelease, TransactionId,
};
use tokio::runtime::Handle;

use super::parts::{AgentControl, AppError, AppSettings, SelfUpdate, Signals, StatusBoard};
use super::{
    AgentProcess, Deaths, Events, Journal, Operations, Target, Unproven, UnprovenKind, read_history,
};
use crate::config::Config;
use crate::release::Slot;
use crate::runner::RunnerResources;
use crate::self_update::{OwnExecutable, Takeover};
use crate::sys::{SpareThread, wall_clock};

/// The warning where an agent runs that was stopped.
const STARTED_BY_OTHERS: &str = "the agent runs though it was stopped: something else than the updater has \
    started it; `updater stop` stops it, `updater start` takes it over";

pub struct App {
    pub settings: Arc<AppSettings>,
    pub status: StatusBoard,
    pub agent: AgentControl,
    /// What operators on the host did.
    pub(super) operations: Operations,
    pub(super) signals: Signals,
    /// Of the updater's own app only.
    pub(super) self_update: Option<SelfUpdate>,
    /// What carries an order out where the system has no more threads: the way back needs none then.
    pub(super) spare: Option<SpareThread>,
    /// A transaction whose end is decided, and could not be written down yet.
    pub(super) unwritten: Mutex<Option<Journal>>,
    /// The runtime of timers and of what waits in the background.
    pub(super) handle: Handle,
}

/// An update that was asked to take its release back.
pub struct TakenBack {
    pub transaction: TransactionId,
    /// Whether that is all that was ordered.
    pub back_there: bool,
}

/// What the disk says of an app.
struct SeenOnDisk {
    active: Option<ActiveRelease>,
    slots: Vec<SlotRelease>,
    last: Option<LastTransaction>,
    deaths: Option<Deaths>,
    unproven: Option<UnprovenKind>,
    warnings: Vec<String>,
    start_refused: Option<String>,
    /// What its history knows and its directory does not have.
    lost: Option<String>,
}

impl SeenOnDisk {
    fn digest(&self) -> Option<&Digest> {
        self.active.as_ref().map(|active| &active.digest)
    }
}

impl App {
    /// An app as the configuration has it. Nothing is touched yet, and systemd is not asked.
    pub fn new(
        name: AppName,
        config: &Config,
        events: Arc<Events>,
        resources: &RunnerResources,
        handle: Handle,
    ) -> Result<Self, AppError> {
        let settings = Arc::new(AppSettings::new(name, config, &resources.systemd)?);
        let agent = AgentControl::new(Arc::clone(&settings), config, resources)?;
        Ok(Self::of(settings, agent, events, None, handle))
    }

    /// The updater's own releases, which are kept like those of an app.
    pub fn of_updater(
        config: &Config,
        program: OwnExecutable,
        takeover: Arc<Takeover>,
        events: Arc<Events>,
        handle: Handle,
    ) -> Result<Self, AppError> {
        let settings = Arc::new(AppSettings::of_updater(config)?);
        let agent = AgentControl::new(Arc::clone(&settings), config, &RunnerResources::default())?;
        let own = SelfUpdate::new(program, takeover);
        Ok(Self::of(settings, agent, events, Some(own), handle))
    }

    fn of(
        settings: Arc<AppSettings>,
        agent: AgentControl,
        events: Arc<Events>,
        self_update: Option<SelfUpdate>,
        handle: Handle,
    ) -> Self {
        let status = StatusBoard::new(settings.name.clone(), events);
        let operations = Operations::new(settings.files.operations());
        let unwritten = Mutex::new(None);
        let signals = Signals::new();
        let spare = SpareThread::start(format!("spare-{}", settings.name)).ok();
        Self { settings, status, agent, operations, signals, self_update, spare, unwritten, handle }
    }

    /// For `GET /health`.
    pub fn health(&self) -> AppHealth {
        let watch = Some(self.settings.config.health.watch);
        let has_run_command = Some(self.settings.config.run.says_how());
        let health = self.status.get().health();
        let stopped = health.agent == AgentState::Stopped;
        let stopped_since = stopped.then(|| self.agent.stopped_since()).flatten();
        AppHealth { watch, has_run_command, stopped_since, ..health }
    }

    /// Reads again what `/health` tells: from the disk, and whether the agent runs.
    pub fn refresh(&self) {
        let mut seen = self.look_at_disk();
        let agent = self.agent.state(seen.digest(), seen.deaths.as_ref(), wall_clock());
        if matches!(agent, AgentProcess::Running(_)) && self.agent.instance().is_none() {
            seen.warnings.push(STARTED_BY_OTHERS.to_owned());
        }
        let port_taken = self.port_taken(agent, seen.unproven);
        self.show(seen, agent);
        self.status.update(|status| status.port_taken = port_taken);
    }

    /// The process that has the port of a program that should run and does not, or that could not be proven.
    fn port_taken(&self, agent: AgentProcess, unproven: Option<UnprovenKind>) -> Option<String> {
        let amiss = matches!(agent, AgentProcess::Dead | AgentProcess::Crashing(_))
            || unproven == Some(UnprovenKind::Stranded);
        amiss.then(|| self.agent.stranger_at_its_port(self.agent.instance().as_ref()))?
    }

    /// Fills in what `/health` tells before systemd has been asked how the agent is: what is under way, above
    /// all.
    pub(crate) fn show_what_the_disk_says(&self) {
        let mut seen = self.look_at_disk();
        let agent = self.agent.state_on_disk(seen.digest());
        if agent == AgentProcess::Dead {
            seen.warnings.push("whether the agent runs is not known yet".to_owned());
        }
        self.show(seen, agent);
        match Journal::read(&self.settings.files.journal()) {
            Ok(Some(journal)) => self.status.show_phase(&journal),
            Ok(None) => {}
            Err(error) => self.status.block(format!("not recovered: {}", failed_to(&error))),
        }
    }

    fn look_at_disk(&self) -> SeenOnDisk {
        let settings = &self.settings;
        let mut warnings = Vec::new();
        warnings.extend(settings.refuse_obstacles().err().map(|failure| failure.problem.detail));
        let active = match settings.layout.slot(Slot::Active) {
            Ok(digest) => digest.map(|digest| settings.active_release(digest, &mut warnings)),
            Err(error) => {
                warnings.push(format!("the active link cannot be read: {error}"));
                self.status.get().active
            }
        };
        let mut history = read_history(&settings.files.history()).unwrap_or_else(|error| {
            warnings.push(format!("the history cannot be read: {error}"));
            self.status.get().last.into_iter().collect()
        });
        let to = self.status.get().to;
        warnings.extend(settings.leftovers(to).into_iter().map(|path| {
            format!("{} could not be removed: see what holds it, and remove it", path.display())
        }));
        let unproven = self.unproven(&history, &mut warnings);
        if unproven == Some(UnprovenKind::Stranded) {
            warnings.push("stranded: no release could be proven healthy here".to_owned());
        }
        warnings.extend(self.agent.warning(active.as_ref().map(|active| &active.digest)));
        let deaths = self.deaths(active.as_ref(), &mut warnings);
        // That a slot cannot be read, the release store's own checks say.
        let slots = settings.slot_releases().unwrap_or_else(|_| self.status.get().slots);
        let start_refused = active
            .as_ref()
            .and_then(|active| settings.refuse_foreign_data(&active.digest).err())
            .map(|failure| failure.problem.detail);
        // Of the updater's own the package's program is what runs where there is none.
        let has_none = active.is_none() && self.self_update.is_none();
        let lost = has_none.then(|| settings.lost_release().ok().flatten()).flatten();
        let latest = history.pop();
        SeenOnDisk { active, slots, last: latest, deaths, unproven, warnings, start_refused, lost }
    }

    /// What the last transaction that touched the app left, if it proved nothing. An updater that did not
    /// keep it has it in its history.
    fn unproven(
        &self,
        history: &[LastTransaction],
        warnings: &mut Vec<String>,
    ) -> Option<UnprovenKind> {
        let kept: Option<Unproven> = state_file::read(&self.settings.files.unproven(), FORMAT)
            .unwrap_or_else(|error| {
                warnings.push(failed_to(&error));
                None
            });
        kept.map_or_else(|| UnprovenKind::by_history(history), |kept| kept.what())
    }

    /// What the agent of the active release died of since that release was proven.
    fn deaths(&self, active: Option<&ActiveRelease>, warnings: &mut Vec<String>) -> Option<Deaths> {
        let settings = &self.settings;
        let kept: Option<Deaths> = state_file::read(&settings.files.deaths(), FORMAT)
            .unwrap_or_else(|error| {
                warnings.push(failed_to(&error));
                None
            });
        let active = active.map(|active| active.digest);
        let states = settings.release_states().ok();
        let proven = active.and_then(|active| states?.get(&active)?.proven_at);
        kept.filter(|deaths| deaths.concern(active, proven))
    }

    fn show(&self, seen: SeenOnDisk, agent: AgentProcess) {
        self.refresh_room();
        self.status.update(|status| {
            status.active = seen.active;
            status.slots = seen.slots;
            status.last = seen.last;
            status.deaths = seen.deaths;
            status.unproven = seen.unproven;
            status.warnings = seen.warnings;
            status.start_refused = seen.start_refused;
            status.lost = seen.lost;
            status.agent = agent;
        });
    }

    /// The last transaction that touched it.
    pub fn last_transaction(&self) -> Option<LastTransaction> {
        self.status.get().last
    }

    /// Looks again how much room the disk has.
    pub fn refresh_room(&self) {
        let room = self.settings.room();
        self.status.update(|status| status.room = room);
    }

    /// Takes a confirmation. `None` if this transaction does not wait for one here; false if it
    /// came on the connection of the order itself.
    pub fn confirm(&self, transaction: &TransactionId, connection: u64) -> Option<bool> {
        let status = self.status.get();
        let waits = status.phase == Phase::Confirming
            && status.running.as_ref().is_some_and(|(running, _)| running == transaction);
        let elsewhere = status.connection != connection;
        if waits && elsewhere {
            self.signals.confirm(transaction.clone());
        }
        waits.then_some(elsewhere)
    }

    /// Asks the transaction that is under way to stop, if there is one, and says which that is.
    pub fn request_stop(&self, caller: CallerKind) -> Option<TransactionId> {
        let (transaction, kind): (_, Kind) = self.status.get().running?;
        let app = &self.settings.name;
        tracing::info!(%app, %transaction, "{app}: the {caller} asked this {kind} to stop");
        self.signals.request_stop(transaction.clone(), caller);
        Some(transaction)
    }

    /// What a rollback comes to while an update is under way that can be undone: the update is asked to
    /// end, which is done at once, and takes its release back. `None` if there is none such.
    pub fn take_back(
        &self,
        target: &Target,
        caller: CallerKind,
        by: Option<OperatorName>,
    ) -> Option<TakenBack> {
        let journal = self.undoable().filter(|journal| journal.kind == Kind::Update)?;
        let local = caller == CallerKind::Local;
        let transaction = self.request_stop(caller)?;
        let back_there = match target {
            Target::Previous => true,
            Target::Digest(digest) => journal.from == Some(*digest),
            Target::Archive(_) => false,
        };
        if transaction != journal.transaction {
            return None;
        }
        // Else the rollback goes on from there, with a transaction of its own.
        if local && back_there {
            let ended = Some(transaction.clone());
            self.keep_operation(OperationKind::Rollback, by, ended, Ok(None));
        }
        Some(TakenBack { transaction, back_there })
    }

    /// What is asked whether its releases are healthy.
    pub fn probe_kind(&self) -> ProbeKind {
        self.agent.probe.kind()
    }

    /// Of the updater's own app: whether a successor is being tried, or was proven.
    pub fn is_being_replaced(&self) -> bool {
        let proven = self.self_update.as_ref().is_some_and(SelfUpdate::has_succeeded);
        proven || self.status.get().running.is_some()
    }

    /// Of the updater's own app: waits until a new updater was proven, and this process has to leave.
    pub async fn successor_proven(&self) {
        match &self.self_update {
            Some(own) => own.succeeded().await,
            None => std::future::pending().await,
        }
    }
}
