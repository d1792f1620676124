//! One app: its directories, its runner, its probe, and what is known of it.

use std::fs;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::{chain, failed_to};
use futures_util::Stream;
use pki::Paths;
use protocol::{
    ActiveRelease, AppName, Code, Digest, Event, EventKind, Phase, Problem, SELF_APP, SlotRelease,
    TransactionId, TransactionResult,
};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use crate::config::{AppConfig, Config, LimitsConfig, RunnerKind};
use crate::probe::{Probe, Readiness};
use crate::release::{Layout, Slot, read_record};
use crate::runner::{Instance, Launch, Runner, command_of};
use crate::self_update::{OwnExecutable, SocketStore, Takeover};
use crate::sys::user::{User, UserError};
use crate::sys::wall_clock;
use crate::systemd::{self, Bus, CommandUnits};
use crate::transaction::admission::{Order, Plan, internal};
use crate::transaction::engine::{Engine, Recovery, or_abort, read_manifest};
use crate::transaction::machine::after_switch;
use crate::transaction::status::{Agent, AppFiles, Status};
use crate::transaction::stop::StopRequest;
use crate::transaction::{
    AppLock, Events, Failure, Journal, Wanted, is_stranded, read_history, try_lock,
};
use crate::trust::{KeyError, TrustedKeys};

/// One thing that the updater keeps up to date.
pub struct App {
    pub name: AppName,
    /// How it is configured.
    pub config: AppConfig,
    pub layout: Layout,
    /// Its files in the state directory.
    pub files: AppFiles,
    /// What is taken from outside, at most.
    pub limits: LimitsConfig,
    pub(super) events: Arc<Events>,
    pub(super) user: Option<User>,
    /// Where systemd runs: the units of its builds, and of what it has run around a switch. They are
    /// there also where the configuration does not want any more of them.
    pub(super) build_units: Option<CommandUnits>,
    pub(super) hook_units: Option<CommandUnits>,
    pub(super) probe: Probe,
    pub(super) ready: Readiness,
    /// Who may sign its releases; none where signatures are not asked for.
    pub(super) keys: TrustedKeys,
    pub(super) handle: Handle,
    /// The transaction that the master has confirmed.
    pub(super) confirmed: watch::Sender<Option<TransactionId>>,
    /// The transaction that was asked to end, and by whom.
    pub(super) stopping: watch::Sender<StopRequest>,
    /// Of the updater's own app: the program that runs, and how another one takes its place.
    pub(super) own: Option<OwnExecutable>,
    pub(super) takeover: Option<Arc<Takeover>>,
    /// Something happened to the agent, or a transaction ended.
    pub(crate) changed: Notify,
    /// Whether the agent may be started yet.
    pub(super) may_start: watch::Sender<bool>,
    runner: Result<Box<dyn Runner>, String>,
    status: Mutex<Status>,
    /// Who may start and stop the agent: a transaction from its switch on, else the supervisor.
    agent: Mutex<()>,
}

/// An order that was taken.
#[derive(Debug)]
pub enum Begun {
    /// There was nothing to do.
    Current(Box<TransactionResult>),
    /// It is under way, and goes on to its end whoever listens.
    Running {
        transaction: TransactionId,
        /// Whether it takes the archive.
        receives: bool,
    },
}

impl App {
    /// An app as the configuration has it; `sockets` is where what it listens on is kept. Nothing is
    /// touched yet.
    pub fn new(
        name: AppName,
        config: &Config,
        events: Arc<Events>,
        sockets: Arc<SocketStore>,
        handle: Handle,
    ) -> Result<Self, AppError> {
        let own = config.apps.get(&name).ok_or_else(|| AppError::Unknown(name.clone()))?.clone();
        let files = AppFiles::new(&config.state_dir, &name);
        let user = own.user.as_deref().map(User::by_name).transpose().map_err(AppError::User)?;
        let runner = crate::runner::for_app(&own, files.directory(), sockets);
        let probe = Probe::from_config(&own, &config.identity).map_err(AppError::Probe)?;
        let ready = Readiness::from_config(&own, &config.identity).map_err(AppError::Probe)?;
        let keys = TrustedKeys::load(&own.trusted_keys).map_err(AppError::Keys)?;
        let probes = config.apps.values().filter_map(|app| app.health.identity.as_deref());
        let hidden: Vec<_> =
            probes.map(|probe| Paths::client(probe).key).chain([config.identity.clone()]).collect();
        let (start, answer) = (own.run.start_timeout.0, own.run.bus_timeout.0);
        let runs_commands = name.as_str() != SELF_APP;
        let bus = (runs_commands && systemd::makes_units()).then(|| Bus::new(answer));
        let bus = bus.transpose().map_err(AppError::Units)?;
        let units = |kind| {
            let (app, state) = (name.as_str(), files.directory());
            Some(CommandUnits::new(bus.clone()?, kind, app, state, hidden.clone(), start))
        };
        Ok(Self {
            build_units: units("build"),
            hook_units: units("hook"),
            layout: Layout::new(&own.install_dir),
            limits: config.limits.clone(),
            status: Mutex::new(Status::new(wall_clock())),
            agent: Mutex::new(()),
            confirmed: watch::Sender::new(None),
            stopping: watch::Sender::new(None),
            own: None,
            takeover: None,
            changed: Notify::new(),
            may_start: watch::Sender::new(true),
            runner: runner.map_err(|error| error.to_string()),
            name,
            config: own,
            files,
            events,
            user,
            probe,
            ready,
            keys,
            handle,
        })
    }

    /// Takes an order and carries it out on a thread of its own, or says why not. Nothing is
    /// touched before it is known that the order can begin.
    pub fn begin(self: &Arc<Self>, order: Order) -> Result<Begun, Box<Problem>> {
        let lock = self.lock_at_rest()?;
        self.seed().map_err(|error| internal(&error))?;
        let connection = order.connection;
        let (started, receives) = match self.plan(&order)? {
            Plan::Current(digest) => {
                return Ok(Begun::Current(Box::new(self.already_current(digest))));
            }
            Plan::Activate { digest, accepted } => {
                if let Some(accepted) = &accepted {
                    self.adopt(accepted).map_err(|error| internal(&*error))?;
                }
                (Engine::activate(Arc::clone(self), lock, order, digest), false)
            }
            Plan::Receive(accepted) => {
                (Engine::receive(Arc::clone(self), lock, order, accepted), true)
            }
        };
        let engine = started.map_err(|error| internal(&error))?;
        let transaction = engine.transaction().clone();
        self.update_status(|status| {
            status.running = Some((transaction.clone(), engine.kind()));
            status.connection = connection;
        });
        let app = Arc::clone(self);
        let span = engine.span();
        std::thread::Builder::new()
            .name(format!("update-{}", self.name))
            .spawn(move || {
                let _inside = span.entered();
                or_abort(|| app.ended(&engine.run()));
            })
            .map_err(|error| {
                self.update_status(|status| status.running = None);
                internal(&error)
            })?;
        Ok(Begun::Running { transaction, receives })
    }

    /// Takes a confirmation. `None` if this transaction does not wait for one here; false if it
    /// came on the connection of the order itself.
    pub fn confirm(&self, transaction: &TransactionId, connection: u64) -> Option<bool> {
        let status = self.status();
        let waits = status.phase == Phase::Confirming
            && status.running.as_ref().is_some_and(|(running, _)| running == transaction);
        let elsewhere = status.connection != connection;
        if waits && elsewhere {
            self.confirmed.send_replace(Some(transaction.clone()));
        }
        waits.then_some(elsewhere)
    }

    /// What is known of it now.
    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what is known of it.
    pub(crate) fn update_status(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What starts and stops its agent, or why nothing can.
    pub fn runner(&self) -> Result<&dyn Runner, Problem> {
        match &self.runner {
            Ok(runner) => Ok(runner.as_ref()),
            Err(why) => Err(Problem::new(Code::NotSupported, why.clone())),
        }
    }

    /// The agent, if it runs.
    pub fn instance(&self) -> Option<Instance> {
        let found = self.runner().ok()?.find();
        let found = found.inspect_err(|error| {
            tracing::warn!(app = %self.name, "{}: {}", self.name, chain(error));
        });
        found.ok()?
    }

    /// The agent, if it runs and is of this release.
    pub fn running_instance(&self, digest: &Digest) -> Option<Instance> {
        self.instance().filter(|instance| instance.digest() == *digest)
    }

    /// How a release's agent is started.
    pub fn launch(&self, digest: &Digest) -> Result<Launch, Failure> {
        let path = self.layout.release(digest);
        let manifest = read_manifest(&path)?;
        let command = match self.config.run.kind {
            RunnerKind::Process => command_of(&self.config.run, manifest.run.as_ref()),
            // Units say themselves what they run.
            RunnerKind::Systemd => Ok(Vec::new()),
        };
        let command = command.map_err(|error| {
            Failure::release_problem(Problem::new(Code::RolledBack, failed_to(&error)))
        })?;
        Ok(Launch {
            release_path: path,
            digest: *digest,
            version: manifest.version,
            command,
            environment: self.config.run.env.clone(),
        })
    }

    /// Whether a journal says who has the agent in hand. One that cannot be read might.
    pub(crate) fn has_journal_past_switch(&self) -> bool {
        match Journal::read(&self.files.journal()) {
            Ok(journal) => journal.is_some_and(|journal| after_switch(journal.phase)),
            Err(_) => true,
        }
    }

    /// Waits until nobody else starts or stops the agent.
    pub(crate) fn hold_agent(&self) -> MutexGuard<'_, ()> {
        self.agent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happens here, from the past and from then on.
    pub fn listen(&self, wanted: Wanted) -> impl Stream<Item = Event> + Send + use<> {
        self.events.listen(wanted)
    }

    /// Tells everyone who listens.
    pub(crate) fn tell(&self, transaction: Option<&TransactionId>, kind: EventKind) {
        self.events.publish(&self.name, transaction, wall_clock(), kind);
    }

    /// Reads again what `/health` tells from the disk.
    pub fn refresh(&self) {
        let mut warnings = Vec::new();
        let active = self.active(&mut warnings);
        let mut history = read_history(&self.files.history()).unwrap_or_else(|error| {
            warnings.push(format!("the history cannot be read: {error}"));
            self.status().last.into_iter().collect()
        });
        if is_stranded(&history) {
            warnings.push("stranded: no release could be proven healthy here".to_owned());
        }
        let agent = self.agent_state(active.is_some());
        self.refresh_room();
        self.update_status(|status| {
            status.active = active;
            status.last = history.pop();
            status.warnings = warnings;
            status.agent = agent;
        });
    }

    /// Looks again how much room the disk has.
    pub fn refresh_room(&self) {
        let room = self.room();
        self.update_status(|status| status.room = room);
    }

    /// A release in the shape of an answer.
    pub fn slot_release(&self, slot: &str, digest: &Digest) -> SlotRelease {
        let path = self.layout.release(digest);
        let record = read_record(&path).ok();
        SlotRelease {
            slot: slot.to_owned(),
            digest: *digest,
            path: path.display().to_string(),
            sha: record.as_ref().and_then(|record| record.sha.clone()),
            version: record.as_ref().and_then(|record| record.version.clone()),
            installed_at: record.map(|record| record.installed_at),
        }
    }

    fn active(&self, warnings: &mut Vec<String>) -> Option<ActiveRelease> {
        let digest = match self.layout.slot(Slot::Active) {
            Ok(digest) => digest?,
            Err(error) => {
                warnings.push(format!("the active link cannot be read: {error}"));
                return self.status().active;
            }
        };
        let path = self.layout.release(&digest);
        let record = read_record(&path).inspect_err(|error| warnings.push(failed_to(error))).ok();
        Some(ActiveRelease {
            digest,
            version: record.as_ref().and_then(|record| record.version.clone()),
            sha: record.and_then(|record| record.sha),
            path: path.display().to_string(),
        })
    }

    fn agent_state(&self, has_release: bool) -> Agent {
        match self.instance() {
            Some(instance) => Agent::Running(instance.process().pid),
            None if self.files.stopped().exists() => Agent::Stopped,
            None if has_release => Agent::Dead,
            None => Agent::None,
        }
    }

    /// The lock, where nothing is left of an earlier transaction. One whose end could not be
    /// written down, on a full disk mostly, comes first.
    pub(super) fn lock_at_rest(self: &Arc<Self>) -> Result<AppLock, Problem> {
        let lock = self.lock()?;
        let read = || Journal::read(&self.files.journal()).map_err(|error| internal(&error));
        let Some(journal) = read()? else { return Ok(lock) };
        drop(lock);
        let detail = "an earlier transaction has to be finished first; try again";
        match self.recover() {
            // It has ended, and there is nothing to wait for but the disk.
            Recovery::Finishing(finishing) if journal.outcome.is_some() => {
                let _ = finishing.join();
                let lock = self.lock()?;
                if read()?.is_none() {
                    return Ok(lock);
                }
                let blocked = self.status().blocked;
                Err(Problem::new(Code::Internal, blocked.unwrap_or_else(|| detail.to_owned())))
            }
            Recovery::Blocked(why) => Err(Problem::new(Code::Internal, why)),
            _ => Err(Problem { detail: detail.to_owned(), ..self.in_progress() }),
        }
    }

    fn lock(&self) -> Result<AppLock, Problem> {
        fs::create_dir_all(self.files.directory()).map_err(|error| internal(&error))?;
        match try_lock(&self.files.lock()) {
            Ok(Some(lock)) => Ok(lock),
            Ok(None) => Err(self.in_progress()),
            Err(error) => Err(internal(&error)),
        }
    }

    fn in_progress(&self) -> Problem {
        let status = self.status();
        let holder = status.holder();
        let detail = match &holder {
            Some(holder) => format!(
                "{} {} is under way, in {}; wait for it or look at /events",
                holder.kind, holder.transaction, status.phase
            ),
            None => "another process holds this app's lock".to_owned(),
        };
        let since = holder.is_some().then_some(status.began);
        Problem { holder, since, ..Problem::new(Code::UpdateInProgress, detail) }
    }
}

/// Why an app cannot be kept up to date.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration has no such app.
    #[error("find the app {0} in the configuration")]
    Unknown(AppName),
    /// The name of the updater's own app is no name.
    #[error("name the updater's own app")]
    Name(#[source] protocol::NameError),
    /// Its user does not exist.
    #[error("find the app's user")]
    User(#[source] UserError),
    /// There is no thread to speak to systemd with.
    #[error("speak to systemd")]
    Units(#[source] io::Error),
    /// A trusted key cannot be used.
    #[error("read the app's trusted keys")]
    Keys(#[source] KeyError),
    /// Its probe cannot be made.
    #[error("prepare the app's probe")]
    Probe(#[source] crate::probe::ProbeError),
}
