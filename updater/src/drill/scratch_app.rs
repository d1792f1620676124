//! The scratch app: where it is, and how it is configured.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::{AppName, Command, DRILL_APP, HooksSection, MigrationsSection, Period};

use super::DrillError;
use crate::config::{AppConfig, BuildSetting, Config, HealthConfig};
use crate::config::{RunConfig, RunnerKind, Strategy};
use crate::release::remove_tree;
use crate::runner::{RunnerResources, for_app};
use crate::systemd::BusConnection;
use crate::transaction::{AppError, AppFiles};

/// Its directory in the real app's install directory, which is on the disk that counts.
const INSTALL: &str = ".drill";
/// Its directory in the state directory.
const STATE: &str = "drill";

/// Where a scratch app is.
#[derive(Debug)]
pub(super) struct ScratchApp {
    /// The configuration with it and nothing else.
    pub(super) config: Config,
    pub(super) name: AppName,
    /// Its sockets are its own.
    pub(super) resources: RunnerResources,
    /// The real app's install directory.
    beside: PathBuf,
}

impl ScratchApp {
    /// The scratch app beside `app`: its disks, its user, its bounds, and the bounds of its builds.
    pub(super) fn beside(
        config: &Config,
        app: &AppName,
        systemd: &BusConnection,
    ) -> Result<Self, DrillError> {
        let real = config.apps.get(app).ok_or_else(|| AppError::Unknown(app.clone()))?;
        let name: AppName = DRILL_APP.parse().map_err(AppError::Name)?;
        let never_builds = real.build == BuildSetting::Command(Vec::new());
        let build = if never_builds { &[][..] } else { &["sh", "-c", "echo built > built"][..] };
        let run = RunConfig {
            kind: RunnerKind::Process,
            command: Some(words(&["./agent"])),
            strategy: Strategy::Restart,
            // As the real app's processes are started, or, where it is units, as they would be.
            transient: real.run.transient,
            bus_timeout: real.run.bus_timeout,
            ..RunConfig::default()
        };
        let health = HealthConfig {
            command: Some(words(&["./probe"])),
            attempts: 2,
            interval: Period(Duration::from_millis(50)),
            timeout: Period(Duration::from_secs(10)),
            watch: Period(Duration::from_millis(200)),
            watch_failures: 2,
            ..HealthConfig::default()
        };
        let scratch = AppConfig {
            install_dir: real.install_dir.join(INSTALL),
            keep: 2,
            // What is drilled is the machine, and not which keys decide what runs on it.
            trusted_keys: Vec::new(),
            links: Vec::new(),
            build: BuildSetting::Command(words(build).0),
            // The host's own would be run on real data, and under the real agent.
            hooks: HooksSection::default(),
            migrations: MigrationsSection::default(),
            run,
            health,
            ..real.clone()
        };
        let config = Config {
            state_dir: config.state_dir.join(STATE),
            apps: [(name.clone(), scratch)].into(),
            ..config.clone()
        };
        let resources = RunnerResources { systemd: systemd.clone(), ..RunnerResources::default() };
        Ok(Self { config, name, resources, beside: real.install_dir.clone() })
    }

    /// Its files in the state directory.
    pub(super) fn files(&self) -> AppFiles {
        AppFiles::new(&self.config.state_dir, &self.name)
    }

    /// Makes its directories. The app's user passes through them, as through those of real apps.
    pub(super) fn make(&self) -> Result<(), DrillError> {
        let state = &self.config.state_dir;
        let install = self.beside.join(INSTALL);
        let files = self.files();
        let apps = files.directory().parent().unwrap_or(state);
        for (directory, mode) in
            [(state.as_path(), 0o711), (apps, 0o711), (files.directory(), 0o711), (&install, 0o755)]
        {
            fs::create_dir_all(directory)
                .and_then(|()| fs::set_permissions(directory, fs::Permissions::from_mode(mode)))
                .map_err(DrillError::disk("make", directory))?;
        }
        Ok(())
    }

    /// Ends its agent and removes all of it. `made` says that the real app's install directory was
    /// not there before.
    pub(super) fn remove(&self, made: bool) -> Result<(), DrillError> {
        end_agent(&self.config, &self.files(), &self.resources)?;
        let install = self.beside.join(INSTALL);
        for directory in [&install, &self.config.state_dir] {
            remove_if_there(directory)?;
        }
        if made {
            // Only if it is still empty.
            let _ = fs::remove_dir(&self.beside);
        }
        Ok(())
    }

    /// Whether the real app has no install directory yet.
    pub(super) fn is_first(&self) -> bool {
        !self.beside.exists()
    }
}

/// What a drill that was cut short may have left of any app.
pub(super) fn remove_leftovers(config: &Config, systemd: &BusConnection) -> Result<(), DrillError> {
    for app in config.apps.keys() {
        let scratch = ScratchApp::beside(config, app, systemd)?;
        let there = [&scratch.config.state_dir, &scratch.beside.join(INSTALL)];
        if there.into_iter().any(|directory| directory.exists()) {
            tracing::info!(%app, "{app}: removing what a drill left");
            scratch.remove(false)?;
        }
    }
    Ok(())
}

fn end_agent(
    config: &Config,
    files: &AppFiles,
    resources: &RunnerResources,
) -> Result<(), DrillError> {
    let Some(app) = config.apps.values().next() else { return Ok(()) };
    let runner = for_app(app, files.directory(), resources);
    runner.clear(Duration::ZERO).map(drop).map_err(DrillError::Agent)
}

fn remove_if_there(directory: &Path) -> Result<(), DrillError> {
    if fs::symlink_metadata(directory).is_err() {
        return Ok(());
    }
    remove_tree(directory).map_err(DrillError::disk("remove", directory))
}

fn words(words: &[&str]) -> Command {
    Command(words.iter().map(|word| (*word).to_owned()).collect())
}
