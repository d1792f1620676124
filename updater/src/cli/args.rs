//! What can be typed.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum};
use common::ColourChoice;
use protocol::{AppName, Digest};

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
    /// Say everything that is wrong with the configuration, the identity and the directories
    Check(CheckArgs),
    /// Put the files that `swarm enroll --out-dir` made in their place, check them, and start the
    /// service
    Enroll(EnrollArgs),
    /// Show what runs here, and how the last update ended
    Status(StatusArgs),
    /// Go back to the previous release, or to another one that is kept here
    ///
    /// After a rollback the previous release is the one that was left: a second one is refused without
    /// --to.
    Rollback(RollbackArgs),
    /// Try on this machine, beside the real programs, that updates, recovery and rollback work
    Drill(AgentArgs),
    /// What a drill lets an updater do
    #[command(hide = true)]
    DrillAct(DrillActArgs),
    /// Write what a program prints to its log: the updater starts this beside each program
    #[command(hide = true)]
    LogWriter(LogWriterArgs),
    /// Stop a program, and leave it so: over reboots too, until `start` or the next update
    Stop(AgentArgs),
    /// Start a program that was stopped
    Start(AgentArgs),
    /// Stop a program and start it: the same release, no update
    Restart(AgentArgs),
    /// Show the highest counter of a signed release that was taken, or forget it
    Trust(TrustArgs),
    /// Remove what builds have left for the next ones: what they downloaded, and their home
    Cache(CacheArgs),
    /// Write the manual pages
    Man(ManArgs),
}

/// What every subcommand needs.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/updater/updater.toml")]
    pub config: PathBuf,
}

/// `updater check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// Expect the daemon to be running: its port is then taken, as it should be
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
    /// Put the identity in place of another one, which is kept beside it
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
    /// Which app's program
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
    /// Of which app; `updater` for the updater itself
    #[arg(long, default_value = protocol::DEFAULT_APP)]
    pub app: AppName,
    /// Let the counter begin anew, after a key that leaked has driven it to its end: a release that is
    /// older may then be taken, if a trusted key has signed it
    #[arg(long)]
    pub reset_counter: bool,
}

/// `updater cache`.
#[derive(Debug, Args)]
pub struct CacheArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// What to do with it
    #[arg(value_enum)]
    pub act: CacheAct,
    /// Of which app; of all if it is not said
    #[arg(long)]
    pub app: Option<AppName>,
}

/// What can be done with what builds have left.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CacheAct {
    /// Remove it: the next build downloads what it needs
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
    /// The directory that they go into, one for each command
    #[arg(long, value_name = "DIR")]
    pub out_dir: PathBuf,
}

/// `updater rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// Of which app
    #[arg(long, default_value = protocol::DEFAULT_APP)]
    pub app: AppName,
    /// To which release: its digest, as `updater status` shows it; the previous one if absent
    #[arg(long, value_name = "DIGEST")]
    pub to: Option<Digest>,
    /// Go back even over a migration that cannot be undone; the data stays as it is
    #[arg(long)]
    pub irreversible: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
