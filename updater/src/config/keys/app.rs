//! `[app.<name>]`: a program that is kept up to date; where it lives and how it is built.

use std::collections::BTreeMap;
use std::path::PathBuf;

use protocol::{Bytes, Command, HooksSection, MigrationsSection, Period};
use serde::Deserialize;

use super::section::minutes;
use super::{HealthConfig, RunConfig};
use crate::config::TrustedKey;

section! {
    /// `[app.<name>]`.
    pub struct AppConfig {
        /// The directory of `current`, `shared` and `releases`. Nothing is a good default for it: a
        /// file that does not say it is refused.
        pub install_dir: PathBuf = PathBuf::new(),
        /// Proven releases that are kept, the active and the previous one among them.
        pub keep: usize = 3,
        /// Who may sign its releases; with none, signatures are not looked at.
        pub trusted_keys: Vec<TrustedKey> = Vec::new(),
        /// The user that builds it and runs it; absent for the updater's own.
        pub user: Option<String> = None,
        /// Paths under `shared/` that are linked into each release.
        pub links: Vec<String> = Vec::new(),
        /// How a release is built.
        pub build: BuildSetting = BuildSetting::Auto,
        /// How long a build may take, where its release does not say it.
        pub build_timeout: Period = minutes(10),
        /// How long a release may ask for; absent for `build_timeout`.
        pub build_timeout_limit: Option<Period> = None,
        /// Where systemd runs, build in a unit of its own.
        pub build_unit: bool = true,
        /// Whether a build may use the network.
        pub build_network: bool = true,
        /// What a build's environment has besides the small standard one.
        pub build_env: BTreeMap<String, String> = BTreeMap::new(),
        /// Address space of each process of a build; absent for no bound.
        pub build_memory: Option<Bytes> = None,
        /// Bytes of a build's output that are read before it is ended.
        pub build_output: Bytes = Bytes(64 << 20),
        /// Bytes of what builds leave for the next ones: what was used longest ago goes first.
        pub build_cache: Bytes = Bytes(2 << 30),
        /// Processes and threads that the user may have while a build runs.
        pub build_processes: u64 = 2048,
        /// Open descriptors of each process of a build.
        pub build_open_files: u64 = 4096,
        /// Bytes of each file that a build writes.
        pub build_file_size: Bytes = Bytes(8 << 30),
        /// How long the master has to come back, where an order asks for it.
        pub confirm_window: Period = minutes(1),
        /// How long each hook may take.
        pub hooks_timeout: Period = minutes(1),
        /// Where systemd runs, run hooks and migrations in units of their own.
        pub hooks_unit: bool = true,
        /// How long each command of a migration may take.
        pub migrations_timeout: Period = minutes(10),
        /// What is run around a switch, over what the release says.
        pub hooks: HooksSection = HooksSection::default(),
        /// How stored data changes its form, over what the release says.
        pub migrations: MigrationsSection = MigrationsSection::default(),
        /// How it is run; a command in its place is its `command`.
        #[serde(deserialize_with = "protocol::run_or_command")]
        pub run: RunConfig = RunConfig::default(),
        /// How it shows that it is healthy.
        pub health: HealthConfig = HealthConfig::default(),
    }
}

impl AppConfig {
    /// An app with nothing but defaults.
    pub fn new(install_dir: impl Into<PathBuf>) -> Self {
        Self { install_dir: install_dir.into(), ..Self::default() }
    }
}

/// `build = …`: `"auto"`, a command line, or a list of words. An empty list builds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Command")]
pub enum BuildSetting {
    /// What the release says, else by what it contains.
    Auto,
    /// These words.
    Command(Vec<String>),
}

impl From<Command> for BuildSetting {
    fn from(command: Command) -> Self {
        if command.0 == ["auto"] { Self::Auto } else { Self::Command(command.0) }
    }
}
