//! What all routes share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{chain, failed_to, sweep_unfinished};
use futures_util::future::join_all;
use protocol::{
    AppName, Code, DEFAULT_APP, Digest, DrillReport, FORMAT, Health, HostName, Problem,
    ReleaseSlot, SELF_APP, UpdaterState,
};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use crate::config::{Config, RunnerKind};
use crate::daemon::Epoch;
use crate::drill::{read_last, sweep as sweep_drill};
use crate::release::Slot;
use crate::runner::{LeftAgent, RunnerResources, left_agents};
use crate::self_update::{NewerPackage, OwnExecutable, PACKAGED, Takeover};
use crate::sys::{blocking, wall_clock};
use crate::systemd::notify;
use crate::transaction::{App, AppError, Events, Failure, Recovery, rescue_warning};

/// Names of apps in an error; a host may have thousands.
const MOST_NAMES: usize = 10;

/// How long the start may take with one app, before systemd holds the updater for hung: it may have an
/// update to finish or to take back, and asks systemd and its disks again and again.
const START_OF_ONE: Duration = Duration::from_mins(5);

/// How long an answer waits for the disks to say how much room they have.
const ROOM_LOOK: Duration = Duration::from_millis(200);

/// So many may read what programs print at a time.
const LOG_READERS: usize = 16;

pub struct Daemon {
    /// The host's name, from its certificate.
    pub host: HostName,
    /// The digest of the release that it runs from.
    pub digest: Digest,
    /// The sender's label of that release.
    label: Option<String>,
    /// How it was configured.
    pub config: Config,
    /// What it keeps up to date.
    pub apps: BTreeMap<AppName, Arc<App>>,
    pub updater_app: Arc<App>,
    pub events: Arc<Events>,
    /// So many may read what programs print.
    pub log_readers: Arc<Semaphore>,
    pub(super) resources: RunnerResources,
    pub(super) config_file: PathBuf,
    pub(super) drill: Mutex<Option<DrillReport>>,
    /// Agents of apps that are not configured any more.
    left: Vec<LeftAgent>,
    newer_package: Option<NewerPackage>,
    epoch: Epoch,
    started: Instant,
    charge: watch::Sender<Charge>,
    answered: tokio::sync::Notify,
    /// The release of the updater beside which this one was started to be tried.
    tried_beside: Option<Digest>,
    /// Whether the room on the disks is being looked at.
    looks_at_room: AtomicBool,
}

/// Which updater the apps are owned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charge {
    /// This one, as soon as it has taken over what an earlier updater began.
    Starting,
    /// An older one, beside which this one is being tried.
    Candidate,
    /// This one.
    Taken,
}

/// Why the updater cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// An app cannot be kept up to date.
    #[error("prepare the app {name}")]
    App { name: AppName, source: AppError },
    /// Its own releases cannot be kept.
    #[error("prepare the updater's own releases")]
    Own { source: AppError },
}

impl Daemon {
    /// An updater that touches nothing until [`Daemon::take_charge`], and asks nothing of systemd.
    #[expect(clippy::too_many_arguments, reason = "each is made by a room of its own")]
    pub fn new(
        config: Config,
        config_file: PathBuf,
        host: HostName,
        executable: OwnExecutable,
        takeover: Arc<Takeover>,
        resources: RunnerResources,
        candidate: bool,
        handle: &Handle,
    ) -> Result<Arc<Self>, DaemonError> {
        let events = Events::new(wall_clock());
        let mut apps = BTreeMap::new();
        for name in config.apps.keys() {
            let app =
                App::new(name.clone(), &config, Arc::clone(&events), &resources, handle.clone())
                    .map_err(|source| DaemonError::App { name: name.clone(), source })?;
            app.show_what_the_disk_says();
            apps.insert(name.clone(), Arc::new(app));
        }
        let epoch = Epoch::open(&config.state_dir);
        if let Err(error) = epoch.check() {
            tracing::error!("no order can be taken: {}", failed_to(&error));
        }
        let drill = read_last(&config.state_dir).unwrap_or_else(|error| {
            tracing::warn!("the last drill's report cannot be read: {}", chain(&error));
            None
        });
        let digest = executable.digest;
        let updater_app =
            App::of_updater(&config, executable, takeover, Arc::clone(&events), handle.clone());
        let updater_app = updater_app.map_err(|source| DaemonError::Own { source })?;
        let active = updater_app.settings.layout.slot(Slot::Active).ok().flatten();
        let newer_package =
            NewerPackage::find(&updater_app.settings.layout, &digest, Path::new(PACKAGED));
        let label = updater_app.settings.slot_release(ReleaseSlot::Store, &digest).sha;
        Ok(Arc::new(Self {
            updater_app: Arc::new(updater_app),
            drill: Mutex::new(drill),
            config_file,
            left: left_agents(&config),
            newer_package,
            epoch,
            started: Instant::now(),
            charge: watch::Sender::new(if candidate {
                Charge::Candidate
            } else {
                Charge::Starting
            }),
            answered: tokio::sync::Notify::new(),
            tried_beside: active.filter(|_| candidate),
            looks_at_room: AtomicBool::new(false),
            host,
            digest,
            label,
            config,
            apps,
            events,
            log_readers: Arc::new(Semaphore::new(LOG_READERS)),
            resources,
        }))
    }

    /// Takes over what an earlier updater began. Nothing is started before [`Daemon::allow_starts`].
    pub fn take_charge(self: &Arc<Self>) {
        self.resources.sockets.settle(&passed_on(&self.config));
        if let Err(error) = sweep_unfinished(&self.config.state_dir) {
            tracing::warn!("the state directory could not be swept: {error}");
        }
        if let Err(failure) = self.updater_app.settings.record_rescue() {
            let why = failure.problem.detail;
            tracing::warn!("what the rescue did could not be written down: {why}");
        }
        if let Err(error) = self.updater_app.settings.note_short_names(self.digest) {
            // New releases get whole names, which every updater knows.
            tracing::warn!(
                "that this updater knows short names is not noted: {}",
                failed_to(&error)
            );
        }
        if let Err(error) = sweep_drill(&self.config, &self.resources.systemd) {
            tracing::warn!("what a drill left is still there: {}", failed_to(&error));
        }
        for app in self.apps.values() {
            notify::starting_for(START_OF_ONE);
            app.agent.hold_start();
            if let Err(failure) = app.agent.prevent_boot_start() {
                tracing::warn!(
                    app = %app.settings.name,
                    "{}: the agent may be started too early: {}", app.settings.name, failure.problem.detail
                );
            }
        }
        for app in self.apps.values().chain([&self.updater_app]) {
            notify::starting_for(START_OF_ONE);
            if matches!(app.recover(), Recovery::Locked | Recovery::Blocked(_)) {
                app.recover_later();
            }
            app.refresh();
        }
        for warning in self.left.iter().filter_map(LeftAgent::warning) {
            tracing::warn!("{warning}");
        }
        self.charge.send_replace(Charge::Taken);
        for app in self.apps.values() {
            super::supervisor::supervise(Arc::clone(app));
            super::probe_rounds::ask_now_and_then(Arc::clone(app));
        }
    }

    /// Looks how the apps and their agents are. Nothing is touched.
    pub fn refresh(&self) {
        for app in self.apps.values() {
            app.refresh();
        }
    }

    /// Waits until this updater has taken charge, unless an older one is in charge: what comes meanwhile is
    /// not refused, and does not begin before what an earlier updater began is known.
    pub async fn started(&self) {
        // It cannot be closed before this value is gone.
        let _ = self.charge.subscribe().wait_for(|charge| *charge != Charge::Starting).await;
    }

    /// Finishes what an earlier updater began, and sees from now on that the agents run. The updater
    /// has said that it is ready: units that it starts wait for that.
    pub fn allow_starts(&self) {
        for app in self.apps.values() {
            app.agent.allow_start();
        }
    }

    /// Whether no transaction is under way: the updater itself is replaced only then.
    pub fn check_idle(&self) -> Result<(), Problem> {
        let busy = self.apps.values().find_map(|app| {
            let status = app.status.get();
            status.holder().map(|holder| (app, holder, status.began))
        });
        let Some((app, holder, began)) = busy else { return Ok(()) };
        let detail = format!("{} of {} is under way; wait for it", holder.kind, app.settings.name);
        let problem = Problem::new(Code::UpdateInProgress, detail);
        Err(Problem { holder: Some(holder), since: Some(began), ..problem })
    }

    /// Whether an order may begin: this updater owns the apps, and the master is not a stale one.
    pub fn check_order(&self, epoch: Option<u64>) -> Result<(), Failure> {
        if !self.takes_orders() {
            let detail = "the updater itself is being updated; try again when it is done";
            return Err(Problem::new(Code::UpdateInProgress, detail).into());
        }
        self.epoch.check()?;
        let Some(given) = epoch else {
            if !self.config.require_epoch {
                return Ok(());
            }
            let detail = "this host takes no order without the header Swarm-Epoch";
            return Err(Problem::new(Code::BadRequest, detail).into());
        };
        Ok(self.epoch.accept(given)?)
    }

    /// Whether this updater owns the apps, and is not about to leave.
    fn takes_orders(&self) -> bool {
        *self.charge.borrow() == Charge::Taken && !self.updater_app.is_being_replaced()
    }

    /// The release that answers for the host: that of a new updater only when it takes orders.
    fn shown_digest(&self) -> Digest {
        self.tried_beside.filter(|_| !self.takes_orders()).unwrap_or(self.digest)
    }

    /// The app that an order means.
    pub fn app(&self, name: Option<&AppName>) -> Result<Arc<App>, Problem> {
        let name = name.map_or(DEFAULT_APP, AppName::as_str);
        let found = self.apps.iter().find(|(known, _)| known.as_str() == name);
        found.map(|(_, app)| Arc::clone(app)).ok_or_else(|| {
            let mut known: Vec<_> =
                self.apps.keys().map(AppName::as_str).take(MOST_NAMES).collect();
            let more = self.apps.len().saturating_sub(MOST_NAMES);
            let more = (more > 0).then(|| format!("{more} more"));
            known.extend(more.as_deref());
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Problem::new(
                Code::UnknownApp,
                format!("no app is called {name}; this host has {known}"),
            )
        })
    }

    /// The app that is meant, or the updater's own.
    pub fn app_or_own(&self, name: Option<&AppName>) -> Result<Arc<App>, Problem> {
        if name.is_some_and(|name| name.as_str() == SELF_APP) {
            return Ok(Arc::clone(&self.updater_app));
        }
        self.app(name)
    }

    /// Asks the probes of all apps anew, each for at most so long.
    pub async fn ask_probes(&self, patience: Duration) {
        join_all(self.apps.values().map(|app| app.ask_probe(patience))).await;
    }

    /// Looks how much room there is on the disks. A disk that does not answer is not waited for, nor asked
    /// again meanwhile.
    pub async fn look_at_room(self: &Arc<Self>) {
        if self.looks_at_room.swap(true, Ordering::AcqRel) {
            return;
        }
        let daemon = Arc::clone(self);
        let look = blocking("a look at the room", move || {
            for app in daemon.apps.values() {
                app.refresh_room();
            }
            daemon.looks_at_room.store(false, Ordering::Release);
        });
        let _ = tokio::time::timeout(ROOM_LOOK, look).await;
    }

    /// For `GET /health`.
    pub fn health(&self) -> Health {
        let (apps, digest) = (self.apps.iter(), self.shown_digest());
        Health {
            format: FORMAT,
            status: UpdaterState::Ok,
            host: self.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            digest,
            sha: self.label.clone().filter(|_| digest == self.digest),
            uptime_seconds: self.started.elapsed().as_secs(),
            epoch: self.epoch.highest(),
            longest_watch: Some(self.config.limits.longest_watch),
            drill: self.last_drill(),
            warnings: self.warnings(),
            apps: apps.map(|(name, app)| (name.clone(), app.health())).collect(),
        }
    }

    /// What an operator should know of the host beside its apps.
    fn warnings(&self) -> Vec<String> {
        let own = self.updater_app.last_transaction();
        let rescued = own.and_then(|last| rescue_warning(&last, self.digest));
        let package = self.newer_package.iter().map(|package| package.warning().to_owned());
        let left = self.left.iter().filter_map(LeftAgent::warning);
        rescued.into_iter().chain(package).chain(left).collect()
    }

    /// Notes that `/health` was answered to a master. A new updater has to answer one.
    pub fn note_answered_master(&self) {
        self.answered.notify_one();
    }

    /// Waits until the master was answered.
    pub async fn master_was_answered(&self) {
        self.answered.notified().await;
    }
}

/// Where the updater itself opens what apps listen on.
fn passed_on(config: &Config) -> Vec<(String, SocketAddr)> {
    let processes = config.apps.iter().filter(|(_, app)| app.run.kind == RunnerKind::Process);
    let addresses = processes.flat_map(|(name, app)| {
        app.run.sockets.iter().map(|socket| (name.to_string(), socket.address))
    });
    addresses.collect()
}
