//! The words of the command line, and which door each opens.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand};
use control::home::Home;
use control::updater_client::Timeouts;
use explain::{Exit, Failure};
use protocol::Period;
use time::OffsetDateTime;

use crate::cli::context::Context;
use crate::cli::pack::PackArgs;
use crate::cli::period::more_than_nothing;
use crate::cli::release::ReleaseCommand;
use crate::cli::rollback::RollbackArgs;
use crate::cli::rollout::RolloutCommand;
use crate::cli::status::StatusArgs;
use crate::cli::update::{PlanArgs, UpdateArgs};
use crate::cli::why::WhyArgs;
use crate::cli::{
    check, completions, decommission, drill, enroll, evidence, history, hold, init, label, list,
    log, logs, man, pack, release, renew, rollback, set, show, simulate, status, update, why,
};
use crate::demo::{AgentArgs, run_agent, tell};
use crate::environment::Environment;
use crate::output::{ColourChoice, Output, OutputSettings};

/// Updates the hosts of a fleet, proves that each release runs, and undoes bad ones.
#[derive(Debug, Parser)]
#[command(name = "swarm", version, max_term_width = 100)]
pub struct Cli {
    /// The master's directory. Its variable is read by [`Environment`]: clap would name it in the usage that it
    /// shows with each mistake.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help = "The master's directory [default: /var/lib/swarm for root, else the user's data directory] \
                [env: SWARM_HOME]",
        help_heading = "Everywhere"
    )]
    pub home: Option<PathBuf>,

    /// Write JSON: one document for what is asked, one event a line for what runs
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,

    /// Give up on a host after this long without a response (slow builds do not count)
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        default_value = "30s",
        value_parser = more_than_nothing,
        help_heading = "Everywhere"
    )]
    pub timeout: Period,

    /// Show no progress and no messages: only the result, and errors
    #[arg(
        long,
        short = 'q',
        global = true,
        conflicts_with = "verbose",
        help_heading = "Everywhere"
    )]
    pub quiet: bool,

    /// Show each phase that a host goes through as well
    #[arg(long, short = 'v', global = true, help_heading = "Everywhere")]
    pub verbose: bool,

    /// When to colour words: on a terminal, unless `NO_COLOR` is set; or where `CLICOLOR_FORCE` is
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        value_parser = PossibleValuesParser::new(ColourChoice::WORDS).map(|it| ColourChoice::of(&it)),
        help_heading = "Everywhere"
    )]
    pub color: ColourChoice,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// What is said of the output.
    pub const fn output(&self) -> OutputSettings {
        let Self { json, quiet, verbose, color, .. } = *self;
        OutputSettings { json, quiet, verbose, colour: color }
    }
}

/// What `swarm` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a master: the CA, the master's own identity and the store
    ///
    /// Everything goes into the master's directory (see --home), which only its owner can read.
    /// If there is a master already, nothing changes.
    Init(init::InitArgs),
    /// What needs a master that is there.
    #[command(flatten)]
    Fleet(FleetCommand),
    /// Pack a tree into an archive: the same tree, the same digest
    Pack(PackArgs),
    /// List, remove, sign and forgive releases
    #[command(subcommand)]
    Release(ReleaseCommand),
    /// Simulate a rollout on an imaginary fleet
    ///
    /// Planning, engine and driver are those for real hosts; the time is simulated. Exits with 1 only
    /// if a guarantee was broken: no host in two rollouts, no more harm than the plan's worst case,
    /// nothing reported that is false, no rollout without an end.
    Simulate(Box<simulate::SimulateArgs>),
    /// Write shell completions
    Completions(completions::CompletionsArgs),
    /// Write the manual pages
    Man(man::ManArgs),
    /// Show it all on this machine: a fleet, updates, and bad releases that are undone
    Demo(DemoArgs),
    /// The service that the demonstration releases
    #[command(hide = true)]
    DemoAgent(AgentArgs),
}

/// The words of `swarm demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep the fleet running, and show how to go on with it
    #[arg(long)]
    pub keep: bool,
}

/// What `swarm` can do with a fleet.
#[derive(Debug, Subcommand)]
pub enum FleetCommand {
    /// Add a host to the fleet, and write the files that it needs
    ///
    /// DIR/agent gets the agent's certificate; with --updater, DIR/updater gets the updater's, and
    /// DIR/updater.toml a configuration to start from. Copy DIR to the host, and run `updater
    /// enroll DIR` there. Existing files are never overwritten.
    Enroll(enroll::EnrollArgs),
    /// List hosts, without asking them
    List(list::ListArgs),
    /// Check that hosts answer and are healthy
    ///
    /// Shows for each host the updater's version, the end of its certificate, and whether its agent
    /// runs. Exits with 1 if a host is not fine.
    Check(check::CheckArgs),
    /// Show everything that the master knows of a host, without asking it
    Show(show::ShowArgs),
    /// Set and remove labels of a host
    Label(label::LabelArgs),
    /// Change a host's address, ports or notes
    Set(set::SetArgs),
    /// Keep a host out of rollouts
    ///
    /// No rollout gives it a new release, not even one in progress. `swarm list`, `status`, `why` and
    /// its rows say who holds it, and why.
    Hold(hold::HoldArgs),
    /// Let a host take part in rollouts again
    Unhold(hold::UnholdArgs),
    /// Give the master a new certificate
    ///
    /// It lasts 90 days; `check`, `status` and `update` warn from 21 days before its end. Nothing
    /// changes on the hosts, which know the master by the fleet's CA and its role.
    Renew(renew::RenewArgs),
    /// Take a host out of the fleet
    ///
    /// The host is no longer asked or updated, and its updater's certificate is no longer accepted.
    /// Its history stays.
    Decommission(decommission::DecommissionArgs),
    /// Update hosts to a release, prove that it runs, and undo it where it does not
    Update(Box<UpdateArgs>),
    /// Show what an update would do, and keep it as a plan
    ///
    /// Asks the hosts, and changes nothing on them. `swarm update --plan DIGEST` then does exactly
    /// what is shown; a host that has changed meanwhile is refused.
    #[command(mut_arg("plan", |plan| plan
        .long("show")
        .alias("plan")
        .help("Show this plan again, as it was made: its digest, or the beginning of it")))]
    #[command(mut_arg("dry_run", |dry_run| dry_run.help("Do not keep the plan")))]
    Plan(Box<PlanArgs>),
    /// Return hosts to the release that they ran before
    #[command(mut_arg("retry_quarantined", |retry| retry
        .help("Go back even to a release that failed on the host before")))]
    #[command(mut_arg("force", |force| force.help("Go there again on hosts that run it already")))]
    #[command(mut_arg("allow_unhealthy", |allow| allow.hide(true)))]
    Rollback(Box<RollbackArgs>),
    /// Show rollouts, and answer them
    #[command(subcommand)]
    Rollout(RolloutCommand),
    /// Run a self-test of update, recovery and rollback on hosts
    ///
    /// Each host installs a scratch program beside the real ones, updates it, kills it, recovers it and
    /// undoes it, on the same disks and as the same user. No real program is touched, and nothing stays.
    Drill(drill::DrillArgs),
    /// Show what runs where, what should, and what is wrong
    ///
    /// On a narrow screen, UPDATER and then PREV are left out; a pipe and --json have everything.
    /// Exits with 1 if something is wrong.
    Status(StatusArgs),
    /// Explain what a host is doing, and what is wrong with it
    Why(WhyArgs),
    /// Show who did what to a host, when, with what result
    ///
    /// The host itself reports what was done there (`updater stop`, `start`, `restart`, `rollback`), with
    /// the time of its clock. If it does not answer, that is noted, and the rest is shown.
    Log(log::LogArgs),
    /// Show what a program on a host prints
    ///
    /// Its updater sends it: of a process from its log, of units from their journal. A program that is started
    /// again, or gets another release, is followed on. At most 1 MiB a second is sent.
    Logs(logs::LogsArgs),
    /// Show what a host has kept of a failed update
    ///
    /// The phases, the probe's answers, how the program ended, and what the build and the program printed. A
    /// host keeps the last 20 failures of each app.
    Evidence(evidence::EvidenceArgs),
    /// Show the rollouts, and how they ended
    History(history::HistoryArgs),
}

impl Command {
    /// Opens the door. Only what needs a master looks for its home.
    pub fn run(
        &self,
        home: Option<&Path>,
        environment: Environment,
        output: Output,
        now: fn() -> OffsetDateTime,
        timeouts: Timeouts,
    ) -> Result<Exit, Failure> {
        let home = home.or(environment.named_home.as_deref());
        let home = || Home::locate(home, &environment.home);
        match self {
            Self::Init(args) => args.run(home()?, environment, output, now),
            Self::Fleet(command) => {
                let context = Context::open(home()?, environment, output, now)?;
                command.run(&Context { timeouts, ..context })
            }
            Self::Simulate(args) => Ok(args.run(&output, now)?),
            Self::Pack(arguments) => pack::run(arguments, environment.git_variables, &output),
            Self::Release(ReleaseCommand::Forgive(args)) => {
                args.run(&Context::open(home()?, environment, output, now)?)
            }
            Self::Release(ReleaseCommand::List(args)) => {
                args.run(&Context::open(home()?, environment, output, now)?)
            }
            Self::Release(ReleaseCommand::Rm(args)) => {
                args.run(&Context::open(home()?, environment, output, now)?)
            }
            Self::Release(ReleaseCommand::Sign(args)) => release::sign(args, &output, now()),
            Self::Release(ReleaseCommand::Manifest(args)) => {
                release::manifest(args, &output, now())
            }
            Self::Completions(args) => args.run(&output),
            Self::Man(args) => args.run(&output),
            Self::Demo(arguments) => Ok(tell(arguments.keep).map(|()| Exit::Success)?),
            Self::DemoAgent(arguments) => Ok(run_agent(arguments).map(|()| Exit::Success)?),
        }
    }
}

impl FleetCommand {
    fn run(&self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Enroll(args) => args.run(context),
            Self::List(args) => args.run(context),
            Self::Check(args) => args.run(context),
            Self::Show(args) => args.run(context),
            Self::Label(args) => args.run(context),
            Self::Set(args) => args.run(context),
            Self::Hold(args) => args.run(context),
            Self::Unhold(args) => args.run(context),
            Self::Renew(args) => args.run(context),
            Self::Decommission(args) => args.run(context),
            Self::Drill(args) => args.run(context),
            Self::Log(args) => args.run(context),
            Self::Logs(args) => args.run(context),
            Self::Evidence(args) => args.run(context),
            Self::History(args) => args.run(context),
            Self::Update(arguments) => update::run(arguments, context),
            Self::Plan(arguments) => update::plan(arguments, context),
            Self::Rollout(command) => command.run(context),
            Self::Rollback(arguments) => rollback::run(arguments, context),
            Self::Status(arguments) => status::run(arguments, context),
            Self::Why(arguments) => why::run(arguments, context),
        }
    }
}
