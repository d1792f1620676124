//! What can be typed.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum};
use common::ColourChoice;
use protocol::AppName;

use crate::cli::completions::CompletionsArgs;
use crate::drill::DrillAction;

/// Keeps the programs of this host up to date.
#[derive(Debug, Parser)]
#[command(name = "updater", version, about, max_term_width = 100)]
pub struct Arguments {
    /// When to colour words: on a terminal, unless `NO_COLOR` is set; or where `CLICOLOR_FORCE` is
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        value_parser = PossibleValuesParser::new(ColourChoice::WORDS).map(|it| ColourChoice::of(&it))
    )]
    pub color: ColourChoice,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon: this is what the systemd unit starts
    Run(Common),
    /// Report every problem with the configuration, the identity and the directories
    Check(CheckArgs),
    /// Install the files that `swarm enroll --out-dir` made, check them, and start the
    /// service
    Enroll(EnrollArgs),
    /// Show what runs here, and how the last update ended
    Status(StatusArgs),
    /// Go back to the previous release, or to another one on this host
    ///
    /// After a rollback, the previous release is the one just left: a second rollback is refused without
    /// --to.
    Rollback(RollbackArgs),
    /// Run a self-test of update, recovery and rollback on this machine
    Drill(AgentArgs),
    /// What a drill lets an updater do
    #[command(hide = true)]
    DrillAct(DrillActArgs),
    /// Write what a program prints to its log: the updater starts this beside each program
    #[command(hide = true)]
    LogWriter(LogWriterArgs),
    /// Stop a program, and keep it stopped, even after a reboot, until `start` or an update
    Stop(AgentArgs),
    /// Start a stopped program
    Start(AgentArgs),
    /// Restart a program, with the same release
    Restart(AgentArgs),
    /// Show or reset the highest accepted counter of a signed release
    Trust(TrustArgs),
    /// Clean the caches of builds
    Cache(CacheArgs),
    /// Write shell completions
    Completions(CompletionsArgs),
    /// Write the manual pages
    Man(ManArgs),
}

/// Where the configuration is, unless it is said.
pub(super) const CONFIG: &str = "/etc/updater/updater.toml";

/// What every subcommand needs.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    pub config: PathBuf,
}

/// `updater check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// The daemon is running, so that its port may be taken
    #[arg(long)]
    pub running: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `updater enroll`.
#[derive(Debug, Args)]
pub struct EnrollArgs {
    /// The directory that `swarm enroll --out-dir` made, copied to this host
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    #[command(flatten)]
    pub(super) common: Common,
    /// Replace another identity, which is kept beside the new one
    #[arg(long)]
    pub force: bool,
    /// Do not start the service
    #[arg(long)]
    pub no_start: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `updater status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `updater stop`, `updater start`, `updater restart`, `updater drill`.
#[derive(Debug, Args)]
pub struct AgentArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// The app
    #[arg(long, default_value = protocol::DEFAULT_APP)]
    pub app: AppName,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What a drill starts.
#[derive(Debug, Args)]
pub struct DrillActArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// Beside which app
    #[arg(long)]
    pub app: AppName,
    /// What it does.
    #[command(subcommand)]
    pub act: DrillAction,
}

/// `updater trust`.
#[derive(Debug, Args)]
pub struct TrustArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// The app; `updater` for the updater itself
    #[arg(long, default_value = protocol::DEFAULT_APP)]
    pub app: AppName,
    /// Reset the counter, after a leaked key has used it up: then older releases are accepted too, if a
    /// trusted key has signed them
    #[arg(long)]
    pub reset_counter: bool,
}

/// `updater cache`.
#[derive(Debug, Args)]
pub struct CacheArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// What to do
    #[arg(value_enum)]
    pub act: CacheAct,
    /// The app [default: all]
    #[arg(long)]
    pub app: Option<AppName>,
}

/// What can be done with what builds have left.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CacheAct {
    /// Remove them; the next build downloads what it needs
    Clean,
}

/// What is started beside each agent.
#[derive(Debug, Args)]
pub struct LogWriterArgs {
    /// The log
    #[arg(long, value_name = "FILE")]
    pub log: PathBuf,
    /// How many bytes it may have
    #[arg(long, value_name = "BYTES")]
    pub limit: u64,
}

/// `updater man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The directory for them, one page a command and a file
    #[arg(long, value_name = "DIR")]
    pub out_dir: PathBuf,
}

/// `updater rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// The app
    #[arg(long, default_value = protocol::DEFAULT_APP)]
    pub app: AppName,
    /// The release's digest or the beginning of it, as `updater status` shows it [default: the
    /// previous release]
    #[arg(long, value_name = "DIGEST")]
    pub to: Option<String>,
    /// Go back even over a migration that cannot be undone; the data stays as it is
    #[arg(long)]
    pub irreversible: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
