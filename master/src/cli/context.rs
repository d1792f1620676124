//! What every command has at hand.

use control::config::Config;
use control::home::Home;
use control::rollout::Rollouts;
use control::updater_client::Timeouts;
use explain::Failure;
use store::Store;
use time::OffsetDateTime;

use crate::output::Output;

/// A master that is there, and where its commands write to.
pub struct Context {
    pub home: Home,
    /// What it is configured to do besides.
    pub config: Config,
    pub store: Store,
    /// How long hosts are waited for.
    pub patience: Timeouts,
    /// Where data and messages go.
    pub output: Output,
    /// The time. Nothing else reads a clock.
    pub now: fn() -> OffsetDateTime,
    /// Who runs the command, for the history.
    pub who: String,
}

impl Context {
    /// Opens the master in `home`.
    pub fn open(home: Home, output: Output, now: fn() -> OffsetDateTime) -> Result<Self, Failure> {
        home.check()?;
        let config = Config::load(&home.config())?;
        let store = Store::open(&home.store())?;
        Ok(Self { home, config, store, output, now, patience: Timeouts::default(), who: caller() })
    }

    /// Where rollouts are begun and answered.
    pub(super) fn rollouts(&self) -> Rollouts<'_> {
        let Self { home, config, store, now, who, .. } = self;
        Rollouts { home, store, hooks: &config.on_event, now: *now, who }
    }
}

/// The user, and behind `sudo` the one who called it.
pub(crate) fn caller() -> String {
    let user = nix::unistd::geteuid();
    let name = nix::unistd::User::from_uid(user).ok().flatten().map(|user| user.name);
    let name = name.unwrap_or_else(|| format!("uid {user}"));
    match std::env::var("SUDO_USER") {
        Ok(caller) if user.is_root() && !caller.is_empty() => format!("{caller} (as {name})"),
        _ => name,
    }
}
