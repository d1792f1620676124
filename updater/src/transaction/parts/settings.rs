//! What never changes of an app while the updater runs: its name, its configuration, where its files
//! are, its limits and the keys that are trusted for it.

use std::path::PathBuf;

use pki::Paths;
use protocol::{AppName, SELF_APP};

use crate::config::{AppConfig, BuildSetting, Config, LimitsConfig, RunConfig};
use crate::probe::ProbeError;
use crate::release::Layout;
use crate::sys::user::{User, UserError};
use crate::systemd::{BusConnection, CommandUnits};
use crate::transaction::AppFiles;
use crate::trust::{KeyError, TrustedKeys};

pub struct AppSettings {
    pub name: AppName,
    pub config: AppConfig,
    pub layout: Layout,
    /// Its files in the state directory.
    pub files: AppFiles,
    /// What is taken from outside, at most.
    pub limits: LimitsConfig,
    /// Whose signatures its releases need; none where signatures are not asked for.
    pub(in crate::transaction) keys: TrustedKeys,
    /// The user that builds it and runs it; absent for the updater's own.
    pub(in crate::transaction) user: Option<User>,
    /// Where systemd runs: the units of its builds, and of what it has run around a switch. They are
    /// there also where the configuration does not want any more of them.
    pub(in crate::transaction) build_units: Option<CommandUnits>,
    pub(in crate::transaction) hook_units: Option<CommandUnits>,
    /// What is known of the updater's own releases.
    pub(in crate::transaction) updaters: PathBuf,
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
    /// A trusted key cannot be used.
    #[error("read the app's trusted keys")]
    Keys(#[source] KeyError),
    /// Its probe cannot be made.
    #[error("prepare the app's probe")]
    Probe(#[source] ProbeError),
}

impl AppSettings {
    /// Of an app, as the configuration has it. Nothing is touched, and systemd is not asked.
    pub(in crate::transaction) fn new(
        name: AppName,
        config: &Config,
        systemd: &BusConnection,
    ) -> Result<Self, AppError> {
        let app = config.apps.get(&name).ok_or_else(|| AppError::Unknown(name.clone()))?;
        let settings = Self::of(name, app.clone(), config)?;
        let units = |kind| settings.units(kind, config, systemd);
        Ok(Self { build_units: units("build"), hook_units: units("hook"), ..settings })
    }

    /// Of the updater's own releases, which are kept like those of an app.
    pub(in crate::transaction) fn of_updater(config: &Config) -> Result<Self, AppError> {
        let name = SELF_APP.parse().map_err(AppError::Name)?;
        let app = AppConfig {
            // It builds nothing, and runs nothing that is not the updater itself.
            build_unit: false,
            hooks_unit: false,
            run: RunConfig { transient: false, ..RunConfig::default() },
            keep: config.self_update.keep,
            trusted_keys: config.self_update.trusted_keys.clone(),
            confirm_window: config.self_update.takeover_timeout,
            build: BuildSetting::Command(Vec::new()),
            ..AppConfig::new(&config.self_update.install_dir)
        };
        Self::of(name, app, config)
    }

    fn of(name: AppName, app: AppConfig, config: &Config) -> Result<Self, AppError> {
        let files = AppFiles::new(&config.state_dir, &name);
        let updater = SELF_APP.parse().map_err(AppError::Name)?;
        let updaters = AppFiles::new(&config.state_dir, &updater).release_states();
        let user = app.user.as_deref().map(User::by_name).transpose().map_err(AppError::User)?;
        let keys = TrustedKeys::load(&app.trusted_keys).map_err(AppError::Keys)?;
        Ok(Self {
            build_units: None,
            hook_units: None,
            layout: Layout::new(&app.install_dir),
            limits: config.limits.clone(),
            config: app,
            name,
            files,
            keys,
            user,
            updaters,
        })
    }

    /// Where systemd runs: what makes units of its commands. None of them can read the keys of the updater
    /// and of the probes.
    fn units(
        &self,
        kind: &'static str,
        config: &Config,
        systemd: &BusConnection,
    ) -> Option<CommandUnits> {
        let probes = config.apps.values().filter_map(|app| app.health.identity.as_deref());
        let keys = probes.map(|probe| Paths::client(probe).key);
        let hidden = keys.chain([config.identity.clone()]).collect();
        let run = &self.config.run;
        let bus = systemd.makes_units().then(|| systemd.bus(run.bus_timeout.0))?;
        let (app, state) = (self.name.as_str(), self.files.directory());
        Some(CommandUnits::new(bus, kind, app, state, hidden, run.start_timeout.0))
    }
}
