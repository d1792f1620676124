//! The updater's own app: its releases are programs that take its place.

use std::io;
use std::sync::Arc;

use protocol::{AppName, SELF_APP, TransactionResult};
use tokio::runtime::Handle;

use crate::config::{AppConfig, BuildSetting, Config, RunConfig};
use crate::release::Slot;
use crate::runner::RunnerResources;
use crate::self_update::{OwnExecutable, Takeover};
use crate::sys::wall_clock;
use crate::transaction::{App, AppError, Events, ReleaseStates};

impl App {
    /// The updater's own releases, which are kept like those of an app.
    pub fn of_updater(
        config: &Config,
        own: OwnExecutable,
        takeover: Arc<Takeover>,
        events: Arc<Events>,
        handle: Handle,
    ) -> Result<Self, AppError> {
        let name: AppName = SELF_APP.parse().map_err(AppError::Name)?;
        let mut config = config.clone();
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
        config.apps.insert(name.clone(), app);
        let mut app = Self::new(name, &config, events, &RunnerResources::default(), handle)?;
        app.own = Some(own);
        app.takeover = Some(takeover);
        Ok(app)
    }

    /// What runs now becomes the updater's first release, so that there is one to go back to.
    pub(super) fn seed(&self) -> io::Result<()> {
        let Some(own) = &self.own else { return Ok(()) };
        let now = wall_clock();
        let first = self.layout.slot(Slot::Active)?.is_none();
        let seeded = own.seed(&self.layout, now, || {
            let path = self.files.facts();
            let mut facts = ReleaseStates::read(&path).map_err(io::Error::other)?;
            facts.proved(own.digest, now);
            facts.write(&path).map_err(io::Error::other)
        });
        if seeded.is_err() {
            // The order is refused, and nothing that is half made stays.
            let cleared = if first { self.layout.clear() } else { Ok(()) };
            if let Err(error) = cleared.and_then(|()| self.sweep(None)) {
                tracing::warn!(%error, "something is left that the next start has to remove");
            }
        }
        seeded
    }

    /// After the updater's own update, this process makes room for the new one.
    pub(super) fn ended(&self, result: &TransactionResult) {
        self.changed.notify_one();
        let Some(takeover) = &self.takeover else { return };
        if result.status == protocol::Status::Updated {
            // Unsaid, the parent starts what the link names, which is the new one too.
            let _ = takeover.leave();
            std::process::exit(0);
        }
    }
}
