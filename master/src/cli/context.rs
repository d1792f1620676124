//! What every command has at hand.

use control::config::Config;
use control::home::Home;
use control::interrupt::Interrupt;
use control::rollout::{ReleaseNames, Rollouts, SourceContext};
use control::updater_client::Timeouts;
use explain::Failure;
use store::Store;
use time::OffsetDateTime;

use crate::environment::Environment;
use crate::output::Output;

/// A master that is there, and where its commands write to.
pub struct Context {
    pub home: Home,
    /// What it is configured to do besides.
    pub config: Config,
    pub store: Store,
    pub environment: Environment,
    /// How long hosts are waited for.
    pub timeouts: Timeouts,
    /// Where data and messages go.
    pub output: Output,
    /// The time. Nothing else reads a clock.
    pub now: fn() -> OffsetDateTime,
    /// Who runs the command, for the history.
    pub who: String,
}

impl Context {
    /// Opens the master in `home`.
    pub fn open(
        home: Home,
        environment: Environment,
        output: Output,
        now: fn() -> OffsetDateTime,
    ) -> Result<Self, Failure> {
        home.check()?;
        let config = Config::load(&home.config())?;
        let store = Store::open(&home.store())?;
        store.end_holds(now())?;
        let output =
            if output.json() { output.naming(&ReleaseNames::read(&store)?) } else { output };
        let (timeouts, who) = (Timeouts::default(), caller(&environment));
        Ok(Self { home, config, store, environment, timeouts, output, now, who })
    }

    /// Where rollouts are begun and answered.
    pub(super) fn rollouts(&self) -> Rollouts<'_> {
        let Self { home, config, store, environment, now, who, .. } = self;
        let (hooks, environment) = (&config.on_event, &environment.rollout);
        Rollouts { home, store, hooks, environment, now: *now, who }
    }

    /// What archives are made with and found by.
    pub(super) fn sources<'a>(&'a self, interrupt: &'a Interrupt) -> SourceContext<'a> {
        let Self { home, store, environment, now, .. } = self;
        let git_variables = &environment.git_variables;
        SourceContext { home, store, now: now(), git_variables, interrupt }
    }
}

/// The user, and behind `sudo` the one who called it.
pub(super) fn caller(environment: &Environment) -> String {
    let user = nix::unistd::geteuid();
    let name = nix::unistd::User::from_uid(user).ok().flatten().map(|user| user.name);
    let name = name.unwrap_or_else(|| format!("uid {user}"));
    match &environment.sudo_user {
        Some(caller) if user.is_root() => format!("{caller} (as {name})"),
        _ => name,
    }
}
