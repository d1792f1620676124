//! The shape of the configuration, with its defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use protocol::{AppName, Bytes, Command, HooksSection, MigrationsSection, Period};
use serde::Deserialize;

use super::ListenSocket;
use crate::trust::TrustedKey;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the API listens: an address and a port.
    #[serde(default = "default_listen")]
    pub listen: String,
    /// The directory of `updater.key`, `updater.crt` and `ca.crt`.
    #[serde(default = "default_identity")]
    pub identity: PathBuf,
    /// Where journals, histories and evidence are kept.
    #[serde(default = "default_state_dir")]
    pub state_dir: PathBuf,
    /// Refuse orders that carry no epoch.
    #[serde(default)]
    pub require_epoch: bool,
    /// What is taken from outside, at most.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// The updater's own releases.
    #[serde(default, rename = "self")]
    pub self_update: SelfConfig,
    /// The programs that are kept up to date.
    #[serde(default, rename = "app")]
    pub apps: BTreeMap<AppName, AppConfig>,
}

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Bytes of an archive as it is sent.
    pub archive_bytes: Bytes,
    /// Bytes that it inflates to, tar's padding included.
    pub unpacked_bytes: Bytes,
    /// Entries in it, and what they make with the directories that they imply.
    pub entries: u64,
    /// Connections at a time, of each kind: from whoever has said nothing yet, of whoever has not
    /// shown a certificate yet, of masters, and of everybody else.
    pub connections: usize,
    pub handshake_timeout: Period,
    /// The head of a request.
    pub header_timeout: Period,
    /// The time in which nothing of a body moves, in either direction.
    pub body_timeout: Period,
    /// A whole body, from its first byte to its last.
    pub receive_timeout: Period,
    /// The longest watch that an order may ask for.
    pub longest_watch: Period,
    /// Waiting until the disk has taken a release (`syncfs`).
    pub sync_timeout: Period,
    /// A drill, from its beginning to its end.
    pub drill_timeout: Period,
    /// Free bytes that there must be besides the archive's own.
    pub reserve_bytes: Bytes,
    /// Free inodes that there must be.
    pub reserve_inodes: u64,
}

/// `[self]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelfConfig {
    /// Where the updater's own releases live.
    pub install_dir: PathBuf,
    /// How long a new updater has to answer the master.
    pub takeover_timeout: Period,
    /// How many of its own releases are kept.
    pub keep: usize,
    /// Who may sign its own releases; none for whoever is the master.
    pub trusted_keys: Vec<TrustedKey>,
}

/// `[app.<name>]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppConfig {
    /// The directory of `current`, `shared` and `releases`.
    pub install_dir: PathBuf,
    /// Proven releases that are kept, the active and the previous one among them.
    #[serde(default = "default_keep")]
    pub keep: usize,
    /// Who may sign its releases; none for whoever is the master.
    #[serde(default)]
    pub trusted_keys: Vec<TrustedKey>,
    /// The user that builds it and runs it; absent for the updater's own.
    #[serde(default)]
    pub user: Option<String>,
    /// Paths under `shared/` that are linked into each release.
    #[serde(default)]
    pub links: Vec<String>,
    /// How a release is built.
    #[serde(default)]
    pub build: BuildSetting,
    /// How long a build may take. A release's own timeout can only shorten it.
    #[serde(default = "default_build_timeout")]
    pub build_timeout: Period,
    /// Where systemd runs, build in a unit of its own.
    #[serde(default = "default_true")]
    pub build_unit: bool,
    /// Whether a build may use the network.
    #[serde(default = "default_true")]
    pub build_network: bool,
    /// What a build's environment has besides the small standard one.
    #[serde(default)]
    pub build_env: BTreeMap<String, String>,
    /// Address space of each process of a build; absent for no bound.
    #[serde(default)]
    pub build_memory: Option<Bytes>,
    /// Bytes of a build's output that are read before it is ended.
    #[serde(default = "default_build_output")]
    pub build_output: Bytes,
    /// Processes and threads that the user may have while a build runs.
    #[serde(default = "default_build_processes")]
    pub build_processes: u64,
    /// Open descriptors of each process of a build.
    #[serde(default = "default_build_open_files")]
    pub build_open_files: u64,
    /// Bytes of each file that a build writes.
    #[serde(default = "default_build_file_size")]
    pub build_file_size: Bytes,
    /// How long the master has to come back, where an order asks for it.
    #[serde(default = "default_confirm_window")]
    pub confirm_window: Period,
    /// How long each hook may take.
    #[serde(default = "default_hooks_timeout")]
    pub hooks_timeout: Period,
    /// Where systemd runs, run hooks and migrations in units of their own.
    #[serde(default = "default_true")]
    pub hooks_unit: bool,
    /// How long each command of a migration may take.
    #[serde(default = "default_migrations_timeout")]
    pub migrations_timeout: Period,
    /// What is run around a switch, over what the release says.
    #[serde(default)]
    pub hooks: HooksSection,
    /// How stored data changes its form, over what the release says.
    #[serde(default)]
    pub migrations: MigrationsSection,
    /// How it is run.
    #[serde(default)]
    pub run: RunConfig,
    /// How it shows that it is healthy.
    #[serde(default)]
    pub health: HealthConfig,
}

/// `build = …`: `"auto"`, a command line, or a list of words. An empty list builds nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Command")]
pub enum BuildSetting {
    /// What the release says, else by what it contains.
    #[default]
    Auto,
    Command(Vec<String>),
}

impl From<Command> for BuildSetting {
    fn from(command: Command) -> Self {
        if command.0 == ["auto"] { Self::Auto } else { Self::Command(command.0) }
    }
}

/// What starts and stops the agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunnerKind {
    #[default]
    Process,
    Systemd,
}

/// How one release follows another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Stop the old one, start the new one.
    #[default]
    Restart,
    /// Start the new one beside the old one, on the same sockets.
    Handover,
}

/// `[app.<name>.run]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    pub kind: RunnerKind,
    /// The command, relative to the release; absent for what the release says.
    pub command: Option<Command>,
    /// Units, for the `systemd` runner, in the order in which they are started.
    pub units: Vec<String>,
    /// Where systemd runs, start a process as a unit of its own.
    pub transient: bool,
    /// Unit files that a release may ship.
    pub unit_files: Vec<String>,
    /// How long a unit may take to start.
    pub start_timeout: Period,
    /// For one answer of systemd.
    pub bus_timeout: Period,
    pub strategy: Strategy,
    /// Where it listens, if the updater opens that and passes it on.
    pub sockets: Vec<ListenSocket>,
    /// What the agent's environment has besides the small standard one.
    pub env: BTreeMap<String, String>,
    /// How long the agent has between TERM and KILL.
    pub stop_grace: Period,
    /// How long a killed agent may take to be gone.
    pub kill_timeout: Period,
    /// The same in a handover: how long the old agent may go on with what it has begun.
    pub drain_timeout: Period,
    /// The agent's log is rotated when it is larger than this.
    pub log_bytes: Bytes,
    /// The first pause before a dead agent is started again; it doubles up to `backoff_max`.
    pub backoff: Period,
    /// The longest such pause.
    pub backoff_max: Period,
}

/// `[app.<name>.health]`. Without `url`, `tcp` and `command`, the agent's process counts: it must
/// stay up for one `interval`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// Asked by HTTP or HTTPS; any status from 200 to 299 is healthy.
    pub url: Option<String>,
    /// Connected to: `127.0.0.1:6379`.
    pub tcp: Option<String>,
    /// Run in the release, as the app's user; exit status 0 is healthy.
    pub command: Option<Command>,
    /// In a handover, asked of the new agent while the old one still serves: any status from 200 to
    /// 299 says that it is ready. Absent for what `url` or `tcp` says.
    pub ready_url: Option<String>,
    /// How long the new agent has to become ready.
    pub ready_timeout: Period,
    /// Where in the answer's JSON the release's digest or path stands (RFC 6901). With it, only
    /// that counts.
    pub release_pointer: Option<String>,
    /// A directory with `client.crt`, `client.key` and `ca.crt` for an HTTPS probe; absent for the
    /// updater's own identity.
    pub identity: Option<PathBuf>,
    /// Verify the agent's certificate.
    pub verify: bool,
    /// Ask without a client certificate.
    pub anonymous: bool,
    /// Waits before the first probe.
    pub warm_up: Period,
    /// Answers before the verdict.
    pub attempts: u32,
    pub interval: Period,
    pub timeout: Period,
    /// Passes in a row that count as proof.
    pub passes: u32,
    /// How long a proven release is looked at.
    pub watch: Period,
    /// Failures in a row, in the watch, that reverse the update.
    pub watch_failures: u32,
}

impl AppConfig {
    /// An app with nothing but defaults.
    pub fn new(install_dir: impl Into<PathBuf>) -> Self {
        Self {
            install_dir: install_dir.into(),
            keep: default_keep(),
            trusted_keys: Vec::new(),
            user: None,
            links: Vec::new(),
            build: BuildSetting::default(),
            build_timeout: default_build_timeout(),
            build_unit: true,
            build_network: true,
            build_env: BTreeMap::new(),
            build_memory: None,
            build_output: default_build_output(),
            build_processes: default_build_processes(),
            build_open_files: default_build_open_files(),
            build_file_size: default_build_file_size(),
            confirm_window: default_confirm_window(),
            hooks_timeout: default_hooks_timeout(),
            hooks_unit: true,
            migrations_timeout: default_migrations_timeout(),
            hooks: HooksSection::default(),
            migrations: MigrationsSection::default(),
            run: RunConfig::default(),
            health: HealthConfig::default(),
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            archive_bytes: Bytes(2 << 30),
            unpacked_bytes: Bytes(8 << 30),
            entries: 200_000,
            connections: 200,
            handshake_timeout: seconds(10),
            header_timeout: seconds(10),
            body_timeout: seconds(30),
            receive_timeout: seconds(3600),
            longest_watch: seconds(86_400),
            sync_timeout: seconds(120),
            drill_timeout: seconds(300),
            reserve_bytes: Bytes(64 << 20),
            reserve_inodes: 1024,
        }
    }
}

/// Where the updater's own releases are, if nothing else is said.
pub const DEFAULT_OWN_INSTALL_DIR: &str = "/opt/updater";

impl Default for SelfConfig {
    fn default() -> Self {
        Self {
            install_dir: DEFAULT_OWN_INSTALL_DIR.into(),
            takeover_timeout: seconds(30),
            keep: 3,
            trusted_keys: Vec::new(),
        }
    }
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            kind: RunnerKind::default(),
            command: None,
            units: Vec::new(),
            transient: true,
            unit_files: Vec::new(),
            start_timeout: seconds(90),
            bus_timeout: seconds(30),
            strategy: Strategy::default(),
            sockets: Vec::new(),
            env: BTreeMap::new(),
            stop_grace: seconds(10),
            kill_timeout: seconds(10),
            drain_timeout: seconds(30),
            log_bytes: Bytes(16 << 20),
            backoff: seconds(1),
            backoff_max: seconds(60),
        }
    }
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            url: None,
            tcp: None,
            command: None,
            ready_url: None,
            ready_timeout: seconds(60),
            release_pointer: None,
            identity: None,
            verify: true,
            anonymous: false,
            warm_up: seconds(0),
            attempts: 10,
            interval: seconds(1),
            timeout: seconds(3),
            passes: 1,
            watch: seconds(60),
            watch_failures: 3,
        }
    }
}

fn default_listen() -> String {
    format!("0.0.0.0:{}", protocol::DEFAULT_UPDATER_PORT)
}

fn default_identity() -> PathBuf {
    "/etc/updater/identity".into()
}

fn default_state_dir() -> PathBuf {
    "/var/lib/updater".into()
}

fn default_keep() -> usize {
    3
}

fn default_build_timeout() -> Period {
    seconds(600)
}

fn default_build_output() -> Bytes {
    Bytes(64 << 20)
}

fn default_build_processes() -> u64 {
    2048
}

fn default_build_open_files() -> u64 {
    4096
}

fn default_build_file_size() -> Bytes {
    Bytes(8 << 30)
}

fn default_confirm_window() -> Period {
    seconds(60)
}

fn default_hooks_timeout() -> Period {
    seconds(60)
}

fn default_migrations_timeout() -> Period {
    seconds(600)
}

fn default_true() -> bool {
    true
}

const fn seconds(number: u64) -> Period {
    Period(Duration::from_secs(number))
}
