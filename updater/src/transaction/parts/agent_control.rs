//! The agent of an app: what starts, stops and finds it, what proves it healthy, and which part of
//! the updater may start and stop it at the moment.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::{chain, failed_to, remove_durably, write_durably};
use protocol::{Code, Digest, Kind, Problem, ReleaseManifest};
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};

use super::{AgentProcess, AppError, AppSettings};
use crate::config::{Config, RunnerKind, Strategy};
use crate::probe::{Probe, Readiness};
use crate::release::{Slot, read_record};
use crate::runner::{
    Behaviour, ForbiddenPort, Handover, Instance, Killed, Launch, Runner, RunnerResources,
    command_of, for_app,
};
use crate::sys::proc::own_capabilities;
use crate::systemd::BusConnection;
use crate::transaction::machine::after_switch;
use crate::transaction::{Deaths, Failure, Journal, read_manifest};

pub struct AgentControl {
    settings: Arc<AppSettings>,
    runner: Box<dyn Runner>,
    systemd: BusConnection,
    pub(in crate::transaction) probe: Probe,
    pub(in crate::transaction) readiness: Readiness,
    /// Held while the probe is asked outside of transactions: one question at a time.
    pub(in crate::transaction) asking: tokio::sync::Mutex<()>,
    /// Something happened to the agent, or a transaction ended.
    pub(crate) changed: Notify,
    /// Whether the agent may be started yet.
    may_start: watch::Sender<bool>,
    /// Held by what may start and stop the agent: a transaction from its switch on, an operator's
    /// command, else the supervisor.
    held: Mutex<()>,
    /// How often a transaction or an operator has taken the agent.
    taken: AtomicU64,
}

/// The agent in the hands of a transaction or an operator. It counts as taken at the end once more: a
/// look that began in between sees that too.
pub(crate) struct AgentHold<'a> {
    taken: &'a AtomicU64,
    _turn: MutexGuard<'a, ()>,
}

impl Drop for AgentHold<'_> {
    fn drop(&mut self) {
        self.taken.fetch_add(1, Ordering::SeqCst);
    }
}

impl AgentControl {
    /// Of an app as the configuration has it. Nothing is touched yet, and systemd is not asked.
    pub(in crate::transaction) fn new(
        settings: Arc<AppSettings>,
        config: &Config,
        resources: &RunnerResources,
    ) -> Result<Self, AppError> {
        let app = &settings.config;
        Ok(Self {
            probe: Probe::from_config(app, &config.identity).map_err(AppError::Probe)?,
            readiness: Readiness::from_config(app, &config.identity).map_err(AppError::Probe)?,
            asking: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            may_start: watch::Sender::new(true),
            held: Mutex::new(()),
            taken: AtomicU64::new(0),
            systemd: resources.systemd.clone(),
            runner: for_app(app, settings.files.directory(), resources),
            settings,
        })
    }

    /// What starts and stops the agent.
    pub fn runner(&self) -> &dyn Runner {
        self.runner.as_ref()
    }

    /// Whether an order of this kind hands one agent over to the next.
    pub(in crate::transaction) fn hands_over(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Update | Kind::Rollback)
            && self.settings.config.run.strategy == Strategy::Handover
    }

    /// How two agents of it run at once, or why they cannot.
    pub(in crate::transaction) fn handover(&self) -> Result<(&dyn Runner, &dyn Handover), Problem> {
        let runner = self.runner();
        let handover = runner.handover().ok_or_else(|| {
            Problem::new(Code::NotSupported, "this app's agents cannot be handed over")
        })?;
        Ok((runner, handover))
    }

    /// The agent, if it runs.
    pub fn instance(&self) -> Option<Instance> {
        let found = self.runner().find();
        let found = found.inspect_err(|error| {
            let app = &self.settings.name;
            tracing::warn!(%app, "{app}: {}", chain(error));
        });
        found.ok()?
    }

    /// The agent, if it runs and is of this release.
    pub fn running_instance(&self, digest: &Digest) -> Option<Instance> {
        self.instance().filter(|instance| instance.digest() == *digest)
    }

    /// The release of the agent, if it runs.
    pub(in crate::transaction) fn running_release(&self) -> Option<Digest> {
        self.instance().map(|instance| instance.digest())
    }

    /// The process that is neither of `agent` nor another one of ours, and listens where the agent would be
    /// asked; with what is to be done.
    pub(in crate::transaction) fn stranger_at_its_port(
        &self,
        agent: Option<&Instance>,
    ) -> Option<String> {
        let stranger = self.probe.stranger(agent, &|pid| self.runner().owns(pid))?;
        Some(format!(
            "{stranger}, where [app.{}.health] asks, and is no agent of this updater: end it, or mend the address",
            self.settings.name
        ))
    }

    /// Why no agent can open the port where it is asked, and what helps.
    pub(in crate::transaction) fn forbidden_port(&self) -> Option<String> {
        let (settings, units) = (&self.settings, self.systemd.makes_units());
        let own = own_capabilities().unwrap_or(u64::MAX);
        let found = ForbiddenPort::of(&settings.name, &settings.config, units, own)?;
        Some(format!("{}: {}", found.text, found.hint))
    }

    /// What the agent is doing; `active` is the release that should run.
    pub(in crate::transaction) fn state(
        &self,
        active: Option<&Digest>,
        deaths: Option<&Deaths>,
        now: OffsetDateTime,
    ) -> AgentProcess {
        let settled = self.settings.config.run.backoff_max.0;
        match self.instance() {
            Some(instance)
                if deaths.is_some_and(|deaths| {
                    deaths.are_a_loop(instance.started_at(), now, settled)
                }) =>
            {
                AgentProcess::Crashing(instance.process().pid)
            }
            Some(instance) => AgentProcess::Running(instance.process().pid),
            None => match self.started_by_others() {
                Some(pid) => AgentProcess::Running(pid),
                None => self.state_on_disk(active),
            },
        }
    }

    /// What an operator has to know of how the agent was started.
    pub(in crate::transaction) fn warning(&self, active: Option<&Digest>) -> Option<String> {
        // That a release cannot be read is told elsewhere.
        let launch = active.and_then(|active| self.launch(active).ok().flatten());
        self.runner().warning(launch.as_ref())
    }

    /// The process of an agent that an operator stopped, and that something else has started since.
    pub(in crate::transaction) fn started_by_others(&self) -> Option<u32> {
        let rests = self.is_kept_stopped() && !self.may_be_in_a_transactions_hands();
        rests.then(|| self.runner().started_by_others())?
    }

    /// What can be said of the agent before systemd has been asked: one that was not seen to be healthy is
    /// not taken for it.
    pub(in crate::transaction) fn state_on_disk(&self, active: Option<&Digest>) -> AgentProcess {
        match active {
            // What cannot be read might have one.
            Some(active) if !self.has_process(active).unwrap_or(true) => AgentProcess::NoProcess,
            _ if self.is_kept_stopped() => AgentProcess::Stopped,
            Some(_) => AgentProcess::Dead,
            None => AgentProcess::None,
        }
    }

    /// Whether a release is something that runs.
    pub(in crate::transaction) fn has_process(&self, digest: &Digest) -> Result<bool, Failure> {
        Ok(self.launch(digest)?.is_some())
    }

    /// How a release's agent is started; `None` if it has no process.
    pub fn launch(&self, digest: &Digest) -> Result<Option<Launch>, Failure> {
        let run = &self.settings.config.run;
        let path = self.settings.layout.release(digest);
        let manifest = read_manifest(&path)?;
        let command = match run.kind {
            RunnerKind::Process => {
                command_of(run, manifest.run.as_ref(), self.is_files_alone(&manifest, &path))
            }
            // Units say themselves what they run.
            RunnerKind::Systemd => Ok(Some(Vec::new())),
        };
        let command = command.map_err(|error| {
            Failure::release_problem(Problem::new(Code::RolledBack, failed_to(&error)))
        })?;
        let behaviour = Behaviour::of(run, manifest.run.as_ref()).map_err(|error| {
            Failure::release_problem(Problem::new(Code::RolledBack, failed_to(&error)))
        })?;
        Ok(command.map(|command| Launch {
            release_path: path,
            digest: *digest,
            version: manifest.version,
            command,
            environment: run.env.clone(),
            behaviour,
        }))
    }

    /// Whether a release was found to be files alone when it came.
    fn is_files_alone(&self, manifest: &ReleaseManifest, release: &Path) -> bool {
        !self.settings.config.run.says_how()
            && manifest.says_nothing_of_its_start()
            && read_record(release).is_ok_and(|record| record.files_alone)
    }

    /// Waits until no other part of the updater starts or stops the agent, and takes it: what becomes of
    /// it from now on is no death.
    pub(crate) fn hold(&self) -> AgentHold<'_> {
        let turn = self.wait_for_turn();
        self.taken.fetch_add(1, Ordering::SeqCst);
        AgentHold { taken: &self.taken, _turn: turn }
    }

    /// As [`Self::hold`], for what only looks after the agent.
    pub(crate) fn wait_for_turn(&self) -> MutexGuard<'_, ()> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often a transaction or an operator has taken the agent so far.
    pub(crate) fn times_taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    /// From now on the updater does not start the agent, until [`Self::allow_start`]: systemd would
    /// wait with it for the updater, and the time that a start may take would pass for nothing.
    pub(crate) fn hold_start(&self) {
        self.may_start.send_replace(false);
    }

    /// The updater is ready.
    pub(crate) fn allow_start(&self) {
        self.may_start.send_replace(true);
    }

    /// Waits until the agent may be started.
    pub(crate) async fn start_allowed(&self) {
        // It cannot be closed before this app is gone.
        let _ = self.may_start.subscribe().wait_for(|may| *may).await;
    }

    /// Keeps the agent from being started at boot by systemd, before the updater is ready, where that
    /// is not for systemd to do: a transaction has it in its hands, or an operator stopped it. One that
    /// runs is left alone.
    pub(crate) fn prevent_boot_start(&self) -> Result<(), Failure> {
        if self.is_in_a_transactions_hands() || self.is_kept_stopped() {
            self.runner().prevent_boot_start()?;
        }
        Ok(())
    }

    /// Whether an operator, or a transaction that ended, wants the agent to stay down.
    pub(crate) fn is_kept_stopped(&self) -> bool {
        self.settings.files.stopped().exists()
    }

    /// Since when, if so.
    pub(crate) fn stopped_since(&self) -> Option<OffsetDateTime> {
        let noted = self.settings.files.stopped().metadata().and_then(|file| file.modified());
        noted.ok().map(OffsetDateTime::from)
    }

    /// Whether a journal says that a transaction has the agent in its hands. One that cannot be read
    /// might.
    pub(crate) fn may_be_in_a_transactions_hands(&self) -> bool {
        match Journal::read(&self.settings.files.journal()) {
            Ok(journal) => journal.is_some_and(|journal| after_switch(journal.phase)),
            Err(_) => true,
        }
    }

    /// Of a transaction that has ended all is done but for the writing down. A journal that cannot be
    /// read says nothing, and nothing is changed.
    fn is_in_a_transactions_hands(&self) -> bool {
        Journal::read(&self.settings.files.journal()).is_ok_and(|journal| {
            journal.is_some_and(|journal| journal.outcome.is_none() && after_switch(journal.phase))
        })
    }

    /// The active release, where its agent may be started.
    pub(in crate::transaction) fn startable(&self) -> Result<Digest, Failure> {
        let active = self.settings.layout.slot(Slot::Active)?.ok_or_else(|| {
            let detail = format!("{} has no release to start", self.settings.name);
            Problem::new(Code::UnknownRelease, detail)
        })?;
        self.settings.refuse_foreign_data(&active)?;
        Ok(active)
    }

    /// Starts the active release, unless the agent runs.
    pub(in crate::transaction) fn start_active(&self) -> Result<(), Failure> {
        let active = self.startable()?;
        self.forget_stopped()?;
        if self.instance().is_none()
            && let Some(launch) = self.launch(&active)?
        {
            self.runner().start(&launch)?;
        }
        Ok(())
    }

    /// Ends the agent, and keeps it stopped over restarts of the updater and of the host.
    pub(in crate::transaction) fn stop_for_good(&self) -> Result<Option<Killed>, Failure> {
        // First, so that it is not started again meanwhile, or after a crash in between.
        self.note_stopped()?;
        self.end_and_close_sockets()
    }

    /// Ends the agent, and closes what it listens on: clients are refused at once, and do not hang in
    /// the backlog of a socket that nothing reads.
    pub(in crate::transaction) fn end_and_close_sockets(&self) -> Result<Option<Killed>, Failure> {
        let killed = self.end()?;
        self.runner().handover().inspect(|runner| runner.let_go());
        Ok(killed)
    }

    /// Ends the agent, and says what had to be killed.
    pub(in crate::transaction) fn end(&self) -> Result<Option<Killed>, Failure> {
        Ok(self.runner().clear(self.settings.config.run.stop_grace.0)?)
    }

    /// Finds an agent again that is not written down, if its release is active: it is never started twice.
    pub(in crate::transaction) fn adopt_stray(&self) {
        let Ok(Some(active)) = self.settings.layout.slot(Slot::Active) else { return };
        let grace = self.settings.config.run.stop_grace.0;
        if let Err(error) = self.runner().adopt_stray(&active, grace) {
            let app = &self.settings.name;
            tracing::warn!(%app, "{app}: {}", failed_to(&error));
        }
    }

    /// Writes down that the agent is to stay down.
    pub(in crate::transaction) fn note_stopped(&self) -> std::io::Result<()> {
        write_durably(&self.settings.files.stopped(), b"")
    }

    /// From now on the agent is meant to run.
    pub(in crate::transaction) fn forget_stopped(&self) -> std::io::Result<()> {
        remove_durably(&self.settings.files.stopped())
    }
}
