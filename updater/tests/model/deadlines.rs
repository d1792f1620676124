//! What each state waits for, and the keys of the configuration that end the wait.

use protocol::{Kind, Phase};
use updater::config::Config;

/// The keys that bound a phase, as a configuration sets them. A phase without any waits for
/// nobody: it is a few calls on small files.
pub(crate) fn deadlines(kind: Kind, phase: Phase) -> &'static [&'static str] {
    let own = kind == Kind::SelfUpdate;
    match phase {
        Phase::Receiving => &["limits.body_timeout = '1s'", "limits.archive_bytes = '1MiB'"],
        Phase::Building => &["app.agent.build_timeout = '1s'", "limits.sync_timeout = '1s'"],
        Phase::Staged | Phase::Probing if own => &["self.takeover_timeout = '1s'"],
        Phase::Starting => {
            &["app.agent.health.ready_timeout = '1s'", "app.agent.health.timeout = '1s'"]
        }
        Phase::Draining => &["app.agent.run.drain_timeout = '1s'"],
        Phase::Staged => &["app.agent.hooks_timeout = '1s'"],
        Phase::BackingUp | Phase::Migrating => &["app.agent.migrations_timeout = '1s'"],
        Phase::Restarting | Phase::Reversing => &["app.agent.run.stop_grace = '1s'"],
        Phase::Probing => &[
            "app.agent.health.warm_up = '1s'",
            "app.agent.health.attempts = 1",
            "app.agent.health.interval = '1s'",
            "app.agent.health.timeout = '1s'",
        ],
        Phase::Confirming => &["app.agent.confirm_window = '1s'"],
        Phase::Watching => {
            &["app.agent.health.watch = '1s'", "app.agent.health.watch_failures = 1"]
        }
        Phase::Idle | Phase::Verifying | Phase::Switching => &[],
    }
}

/// Looks whether each key that is named is one that the configuration has.
pub(crate) fn are_keys(keys: &[&str]) {
    for key in keys {
        let text = format!("app.agent.install_dir = '/opt/agent'\n{key}\n");
        Config::parse(&text).unwrap_or_else(|error| panic!("{key}: {error}"));
    }
}
