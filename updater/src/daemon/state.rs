//! What all routes share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use common::{chain, failed_to, sweep_unfinished};
use protocol::{
    AppName, Code, DEFAULT_APP, Digest, DrillReport, FORMAT, Health, HostName, Problem,
};
use tokio::runtime::Handle;

use crate::api::{Caller, Who};
use crate::config::{Config, RunnerKind};
use crate::daemon::{Epoch, EpochError};
use crate::drill::{read_last, sweep as sweep_drill};
use crate::self_update::{OwnExecutable, SocketStore, Takeover};
use crate::sys::wall_clock;
use crate::transaction::{App, AppError, Events, Recovery, internal};

pub struct Daemon {
    /// The host's name, from its certificate.
    pub host: HostName,
    /// The digest of the release that it runs from.
    pub digest: Digest,
    /// How it was configured.
    pub config: Config,
    /// What it keeps up to date.
    pub apps: BTreeMap<AppName, Arc<App>>,
    pub updater_app: Arc<App>,
    pub events: Arc<Events>,
    sockets: Arc<SocketStore>,
    pub(super) config_file: PathBuf,
    pub(super) drill: Mutex<Option<DrillReport>>,
    epoch: Epoch,
    started: Instant,
    /// False while an older updater still owns the apps.
    in_charge: AtomicBool,
    answered: tokio::sync::Notify,
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
    /// An updater that touches nothing until [`Daemon::take_charge`].
    pub fn new(
        config: Config,
        config_file: PathBuf,
        host: HostName,
        executable: OwnExecutable,
        takeover: Arc<Takeover>,
        sockets: Arc<SocketStore>,
        handle: &Handle,
    ) -> Result<Arc<Self>, DaemonError> {
        let events = Events::new(wall_clock());
        let mut apps = BTreeMap::new();
        for name in config.apps.keys() {
            let (events, sockets) = (Arc::clone(&events), Arc::clone(&sockets));
            let app = App::new(name.clone(), &config, events, sockets, handle.clone())
                .map_err(|source| DaemonError::App { name: name.clone(), source })?;
            app.refresh();
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
        Ok(Arc::new(Self {
            updater_app: Arc::new(updater_app),
            drill: Mutex::new(drill),
            config_file,
            epoch,
            started: Instant::now(),
            in_charge: AtomicBool::new(false),
            answered: tokio::sync::Notify::new(),
            host,
            digest,
            config,
            apps,
            events,
            sockets,
        }))
    }

    /// Takes over what an earlier updater began. Nothing is started before [`Daemon::begin`].
    pub fn take_charge(self: &Arc<Self>) {
        self.sockets.settle(&passed_on(&self.config));
        if let Err(error) = sweep_unfinished(&self.config.state_dir) {
            tracing::warn!("the state directory could not be swept: {error}");
        }
        if let Err(error) = self.updater_app.note_rescue() {
            tracing::warn!("what the rescue unit did could not be written down: {error}");
        }
        if let Err(error) = sweep_drill(&self.config) {
            tracing::warn!("what a drill left is still there: {}", failed_to(&error));
        }
        for app in self.apps.values() {
            app.hold_starts();
            if let Err(problem) = app.prevent_boot_start() {
                tracing::warn!(
                    app = %app.name,
                    "{}: the agent may be started too early: {}", app.name, problem.detail
                );
            }
        }
        for app in self.apps.values().chain([&self.updater_app]) {
            if matches!(app.recover(), Recovery::Locked | Recovery::Blocked(_)) {
                app.recover_later();
            }
            app.refresh();
        }
        self.in_charge.store(true, Ordering::SeqCst);
        for app in self.apps.values() {
            super::supervisor::supervise(Arc::clone(app));
        }
    }

    /// Finishes what an earlier updater began, and sees from now on that the agents run. The updater
    /// has said that it is ready: units that it starts wait for that.
    pub fn begin(&self) {
        for app in self.apps.values() {
            app.let_start();
        }
    }

    /// Whether no transaction is under way: the updater itself is replaced only then.
    pub fn check_idle(&self) -> Result<(), Problem> {
        let busy = self.apps.values().find_map(|app| {
            let status = app.status();
            status.holder().map(|holder| (app, holder, status.began))
        });
        let Some((app, holder, began)) = busy else { return Ok(()) };
        let detail = format!("{} of {} is under way; wait for it", holder.kind, app.name);
        let problem = Problem::new(Code::UpdateInProgress, detail);
        Err(Problem { holder: Some(holder), since: Some(began), ..problem })
    }

    /// Whether an order may begin: this updater owns the apps, and the master is not a stale one.
    pub fn check_order(&self, epoch: Option<u64>) -> Result<(), Problem> {
        if !self.in_charge.load(Ordering::SeqCst) || self.updater_app.status().running.is_some() {
            let detail = "the updater itself is being updated; try again when it is done";
            return Err(Problem::new(Code::UpdateInProgress, detail));
        }
        self.epoch.check().map_err(|error| internal(&error))?;
        let Some(given) = epoch else {
            if !self.config.require_epoch {
                return Ok(());
            }
            let detail = "this host takes no order without the header Swarm-Epoch";
            return Err(Problem::new(Code::BadRequest, detail));
        };
        self.epoch.accept(given).map_err(|error| match error {
            EpochError::Stale { highest, .. } => {
                let problem = Problem::new(Code::StaleMaster, failed_to(&error));
                Problem { epoch: Some(highest), ..problem }
            }
            EpochError::Write(_) | EpochError::Damaged(_) => internal(&error),
        })
    }

    /// The app that an order means.
    pub fn app(&self, name: Option<&AppName>) -> Result<Arc<App>, Problem> {
        let name = name.map_or(DEFAULT_APP, AppName::as_str);
        let found = self.apps.iter().find(|(known, _)| known.as_str() == name);
        found.map(|(_, app)| Arc::clone(app)).ok_or_else(|| {
            let known: Vec<_> = self.apps.keys().map(AppName::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Problem::new(
                Code::UnknownApp,
                format!("no app is called {name}; this host has {known}"),
            )
        })
    }

    /// For `GET /health`.
    pub fn health(&self) -> Health {
        let apps = self.apps.iter();
        Health {
            format: FORMAT,
            status: "ok".to_owned(),
            host: self.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            digest: self.digest,
            uptime_seconds: self.started.elapsed().as_secs(),
            epoch: self.epoch.highest(),
            drill: self.last_drill(),
            apps: apps.map(|(name, app)| (name.clone(), app.status().health())).collect(),
        }
    }

    /// Notes that `/health` was answered to a caller. A new updater has to answer the master.
    pub fn answered(&self, caller: &Caller) {
        if matches!(&caller.who, Who::Peer(peer) if peer.role == pki::Role::Master) {
            self.answered.notify_one();
        }
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
