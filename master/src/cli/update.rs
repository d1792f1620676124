//! `swarm update` and `swarm plan`: a release goes to hosts, or would.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use control::fleet::Fleet;
use control::interrupt::Interrupt;
use control::pack::says_it_is_a_release;
use control::rollout;
use control::rollout::{Archives, Goal, RolloutRequest, Source, Sources, failed_hosts};
use control::select::{Chosen, HostOrder, Selection};
use explain::{Exit, Explain, Failure};
use protocol::Digest;
use store::Store;

use crate::cli::Context;
use crate::cli::begin::{Begin, How};
use crate::cli::pack::tell;
use crate::cli::policy_args::PolicyArgs;
use crate::cli::renew::announce;
use crate::cli::runtime::block_on;
use crate::cli::selection::{SelectionArgs, warn_of_names};
use crate::cli::table_args::TableArgs;

/// What a plan has said already.
const PLANNED: [&str; 30] = [
    "root",
    "archive",
    "manifest",
    "release",
    "exclude",
    "include",
    "app",
    "canary",
    "batch",
    "spread",
    "parallel",
    "delay",
    "watch",
    "order_timeout",
    "max_consecutive_failures",
    "max_failures",
    "on_trip",
    "approve",
    "force",
    "retry_quarantined",
    "allow_unhealthy",
    "confirm",
    "dry_run",
    "order",
    "include_self",
    "self_only",
    "updater_archive",
    "select",
    "failed_in",
    "message",
];

/// What says which release the apps get.
const OF_A_RELEASE: [&str; 8] =
    ["root", "archive", "manifest", "release", "exclude", "include", "force", "include_self"];

/// The words of `swarm update`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group = ArgGroup::new("updaters").args(["include_self", "self_only"]))]
pub struct UpdateArgs {
    /// Which hosts.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// The hosts that failed in this rollout, went back by themselves or were not reached
    #[arg(long, value_name = "ROLLOUT", group = "selection", help_heading = "Selection")]
    pub failed_in: Option<String>,
    /// Carry out this plan, exactly as `swarm plan` made it: its digest, or the beginning of it
    #[arg(long, value_name = "DIGEST", group = "selection", help_heading = "Selection",
        conflicts_with_all = PLANNED)]
    pub plan: Option<String>,
    /// Which release.
    #[command(flatten)]
    pub source: SourceArgs,
    /// How.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Then update the updaters too, with the one beside this program
    #[arg(long, help_heading = "Policy")]
    pub include_self: bool,
    /// Update the updaters alone; the apps keep the release that they run
    #[arg(long, conflicts_with_all = OF_A_RELEASE, help_heading = "Policy")]
    pub self_only: bool,
    /// The updater's own archive, instead of the program beside this one
    #[arg(long, value_name = "FILE", requires = "updaters", help_heading = "Policy")]
    pub updater_archive: Option<PathBuf>,
}

/// The words of `swarm plan`.
#[derive(Debug, Args)]
#[group(skip)]
pub struct PlanArgs {
    /// Of which update.
    #[command(flatten)]
    pub update: UpdateArgs,
    /// Which columns.
    #[command(flatten)]
    pub table: TableArgs,
}

/// Where the release comes from.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group = ArgGroup::new("source").args(["root", "archive", "release"]))]
pub struct SourceArgs {
    /// Pack this tree on the spot [default: the working directory]
    #[arg(long, value_name = "DIR", help_heading = "Source")]
    pub root: Option<PathBuf>,
    /// Send this archive
    #[arg(long, value_name = "FILE", help_heading = "Source")]
    pub archive: Option<PathBuf>,
    /// Its signed manifest [default: FILE.manifest beside the archive, if it is there]
    ///
    /// The signature is expected beside it, in MANIFEST.minisig.
    #[arg(long, value_name = "MANIFEST", requires = "archive", help_heading = "Source")]
    pub manifest: Option<PathBuf>,
    /// Send a release that the master keeps: NAME@VERSION or a digest
    #[arg(long, value_name = "RELEASE", help_heading = "Source")]
    pub release: Option<String>,
    /// Leave this out of the tree (may be repeated)
    #[arg(long, value_name = "GLOB", conflicts_with_all = ["archive", "release"],
        help_heading = "Source")]
    pub exclude: Vec<String>,
    /// Pack this too, even if git does not track it or it is a build's leftover (may be
    /// repeated)
    #[arg(long, value_name = "GLOB", conflicts_with_all = ["archive", "release"],
        help_heading = "Source")]
    pub include: Vec<String>,
}

/// Packs the release once, and sends it to all.
pub(super) fn run(arguments: &UpdateArgs, context: &Context) -> Result<Exit, Failure> {
    let how = match (arguments.kept_plan(context)?, arguments.policy.dry_run) {
        (Some(digest), _) => How::AsPlanned(digest),
        (None, true) => How::Shown,
        (None, false) => How::Done,
    };
    go(arguments, how, TableArgs::default(), context)
}

/// Says what an update would do, and keeps it, so that just that can be done.
pub(super) fn plan(arguments: &PlanArgs, context: &Context) -> Result<Exit, Failure> {
    let PlanArgs { update: arguments, table } = arguments;
    let how = match arguments.kept_plan(context)? {
        Some(digest) => How::ShownAgain(digest),
        None if arguments.policy.dry_run => How::Shown,
        None => How::Kept,
    };
    go(arguments, how, table.clone(), context)
}

fn go(
    arguments: &UpdateArgs,
    how: How,
    table: TableArgs,
    context: &Context,
) -> Result<Exit, Failure> {
    let Context { home, store, output, .. } = context;
    let UpdateArgs { selection, policy, updater_archive, .. } = arguments;
    block_on(async {
        let interrupt = Interrupt::listen()?;
        let begin = Begin { context, how, wait: policy.wait, interrupt: interrupt.clone(), table };
        if let How::AsPlanned(digest) | How::ShownAgain(digest) = how {
            return begin.kept(&digest).await;
        }
        announce(context)?;
        let selection = match &arguments.failed_in {
            Some(name) => failed_in(store, name, selection.selection().order)?,
            None => selection.selection(),
        };
        let known = store.hosts()?;
        let selected = selection.resolve(&known)?;
        warn_of_names(context, &known);
        let members = Fleet::open(home, store, context.timeouts)?.members(&selected);
        let sources = context.sources(&interrupt);
        let updater = if arguments.include_self || arguments.self_only {
            Some(rollout::own_archive(&sources, updater_archive.as_deref()).await?)
        } else {
            None
        };
        if arguments.self_only {
            let request = RolloutRequest {
                updater: updater.as_ref().map(|(archive, _)| archive.digest),
                ..policy.request(Goal::UpdatersOnly, &selection)
            };
            let sources = Sources::of_updaters(updater_archive.as_ref());
            let archives = Archives::of_updaters(updater);
            return begin.wished(&request, members, archives, &sources).await;
        }
        let source = arguments.source.source()?;
        let keep = how != How::Shown;
        let prepared = source.prepare(&sources, keep).await?;
        if let Some(packed) = &prepared.packed {
            tell(output, packed);
        }
        // A plan that is carried out at once is not read; the hosts say it then.
        let migration =
            if how == How::Done { None } else { prepared.migration(&interrupt).await? };
        let request = RolloutRequest {
            migration,
            updater: updater.as_ref().map(|(archive, _)| archive.digest),
            ..policy.request(prepared.goal.clone(), &selection)
        };
        let sources = Sources::of(&source, prepared.packed.as_ref(), updater_archive.as_ref());
        let archives = Archives::of(prepared, updater, &sources);
        begin.wished(&request, members, archives, &sources).await
    })?
}

/// The hosts that failed in a rollout, in the order that was asked for.
fn failed_in(store: &Store, name: &str, order: HostOrder) -> Result<Selection, Failure> {
    let rollout = store.find_rollout(name)?;
    let hosts = failed_hosts(store, &rollout)?;
    let chosen = Chosen::FailedIn { rollout: rollout.id.short(), hosts };
    Ok(Selection { chosen, order })
}

impl UpdateArgs {
    /// The plan that was named, if one was.
    fn kept_plan(&self, context: &Context) -> Result<Option<Digest>, Failure> {
        Ok(self.plan.as_deref().map(|name| context.store.find_plan(name)).transpose()?)
    }
}

/// The working directory is packed where nothing else is named, and only if it says that it is a release.
#[derive(Debug, thiserror::Error)]
#[error(
    "find what to send: there is neither a release.toml nor a swarm-release.toml in the working directory"
)]
struct NoRelease;

impl Explain for NoRelease {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(
            "name a tree with --root DIR, or what is kept here with --release NAME@VERSION"
                .to_owned(),
        )
    }
}

impl SourceArgs {
    fn source(&self) -> Result<Source, NoRelease> {
        let is_named = self.root.is_some() || self.archive.is_some() || self.release.is_some();
        if !is_named && !says_it_is_a_release(Path::new(".")) {
            return Err(NoRelease);
        }
        Ok(match (&self.archive, &self.release) {
            (Some(archive), _) => {
                Source::Archive { path: archive.clone(), manifest: self.manifest.clone() }
            }
            (None, Some(release)) => Source::Release(release.clone()),
            (None, None) => Source::Root {
                root: self.root.clone().unwrap_or_else(|| PathBuf::from(".")),
                include: self.include.clone(),
                exclude: self.exclude.clone(),
            },
        })
    }
}
