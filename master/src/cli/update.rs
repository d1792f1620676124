//! `swarm update`: a release goes to hosts.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgGroup, Args};
use protocol::{AppName, OrderOptions, Period};

use crate::cli::Context;
use crate::cli::pack::tell;
use crate::cli::runtime::block_on;
use crate::fleet::{Fleet, Member};
use crate::output::{Exit, Failure, Output, Table};
use crate::rollout::{
    self, Interrupt, Order, PlannedHost, ReleaseNames, RolloutError, Source, Surroundings,
};
use crate::select::SelectionArgs;
use crate::store::{RolloutId, RolloutResult};

/// The words of `swarm update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Which hosts.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Which release.
    #[command(flatten)]
    pub source: SourceArgs,
    /// How.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Then update the updaters themselves, with the one that lies beside this program
    #[arg(long, help_heading = "Policy")]
    pub include_self: bool,
    /// The updaters' own release, instead of the one beside this program
    #[arg(long, value_name = "FILE", requires = "include_self", help_heading = "Policy")]
    pub updater_archive: Option<PathBuf>,
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
    /// The signature is looked for beside it, in MANIFEST.minisig.
    #[arg(long, value_name = "MANIFEST", requires = "archive", help_heading = "Source")]
    pub manifest: Option<PathBuf>,
    /// Send a release that was packed here before: NAME@VERSION or a digest
    #[arg(long, value_name = "RELEASE", help_heading = "Source")]
    pub release: Option<String>,
    /// Leave this out of the tree (may be repeated)
    #[arg(long, value_name = "GLOB", conflicts_with_all = ["archive", "release"],
        help_heading = "Source")]
    pub exclude: Vec<String>,
}

/// How an update or a rollback is carried out.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct PolicyArgs {
    /// The app on the hosts
    #[arg(long, value_name = "APP", default_value = protocol::DEFAULT_APP)]
    pub app: AppName,
    /// How many hosts at once
    #[arg(long, value_name = "N", default_value = "16", help_heading = "Policy")]
    pub parallel: NonZeroUsize,
    /// Do it again on hosts that have the release already
    #[arg(long, help_heading = "Policy")]
    pub force: bool,
    /// Try a release again on hosts where it failed before
    #[arg(long, help_heading = "Policy")]
    pub retry_quarantined: bool,
    /// Take the release back on a host that this master does not reach again afterwards
    #[arg(long, help_heading = "Policy")]
    pub confirm: bool,
    /// Watch the release at least so long, if the host's own configuration says less: 2m
    #[arg(long, value_name = "TIME", help_heading = "Policy")]
    pub watch: Option<Period>,
    /// Say what would happen, and change nothing
    #[arg(long, help_heading = "Policy")]
    pub dry_run: bool,
}

/// Packs the release once, and sends it to all.
pub(super) fn run(arguments: &UpdateArgs, context: &Context) -> Result<Exit, Failure> {
    let Context { home, store, output, now, .. } = context;
    let UpdateArgs { selection, policy, .. } = arguments;
    let selected = selection.resolve(&store.hosts()?)?;
    let fleet = Fleet::open(home, store, context.patience)?;
    let members = fleet.members(&selected);
    let named = arguments.updater_archive.as_deref();
    block_on(async {
        let interrupt = Interrupt::listen().map_err(RolloutError::from)?;
        let own = match arguments.include_self.then(|| rollout::own_archive(home, named)) {
            Some(own) => Some(own.await?),
            None => None,
        };
        let source = arguments.source.source();
        let prepared = tokio::select! {
            prepared = source.prepare(home, store, now(), !policy.dry_run) => prepared?,
            () = interrupt.asked(1) => return Ok(Exit::Interrupted),
        };
        if let Some(packed) = &prepared.packed {
            tell(output, packed);
        }
        let order = Order {
            own: own.as_ref().map(|(push, _)| push.clone()),
            ..policy.order(prepared.goal.clone(), selection)
        };
        start(context, order, members, policy.dry_run, selection, interrupt).await
    })?
}

/// Shows the plan, or carries it out.
pub(super) async fn start(
    context: &Context,
    order: Order,
    members: Vec<Member>,
    dry_run: bool,
    selection: &SelectionArgs,
    interrupt: Interrupt,
) -> Result<Exit, Failure> {
    let Context { store, output, now, who, .. } = context;
    if dry_run {
        let planned = rollout::plan(&order, members).await;
        show_plan(output, &order, &planned, &ReleaseNames::read(store)?);
        return Ok(Exit::Success);
    }
    let selection = selection.describe();
    let surroundings = Surroundings { store, output, now: *now, who, selection: &selection };
    let summary = rollout::run(&surroundings, order, members, interrupt).await?;
    Ok(match summary.result {
        RolloutResult::Completed => Exit::Success,
        RolloutResult::Failed => Exit::Failed,
        RolloutResult::Interrupted => Exit::Interrupted,
    })
}

fn show_plan(output: &Output, order: &Order, planned: &[PlannedHost], names: &ReleaseNames) {
    if output.json() {
        return output.document(&serde_json::json!({
            "type": "rollout.plan",
            "changed": false,
            "release": order.goal.target(),
            "hosts": planned,
        }));
    }
    let mut table = Table::new(["HOST", "WOULD", "FROM", "TO", "BYTES", "WHY"]);
    for host in planned {
        let updater = host.updater.map(|own| format!("then its updater: {}", own.short()));
        let why: Vec<_> = host.detail.iter().cloned().chain(updater).collect();
        table.row([
            host.host.as_str(),
            host.action.name(),
            &names.of(host.from.as_ref()),
            &names.of(host.to.as_ref()),
            &host.bytes.to_string(),
            &why.join("; "),
        ]);
    }
    output.data(&format!("{}\nthis is a plan: nothing was changed\n", table.render()));
}

impl SourceArgs {
    fn source(&self) -> Source {
        match (&self.archive, &self.release) {
            (Some(archive), _) => {
                Source::Archive { path: archive.clone(), manifest: self.manifest.clone() }
            }
            (None, Some(release)) => Source::Release(release.clone()),
            (None, None) => Source::Root {
                root: self.root.clone().unwrap_or_else(|| PathBuf::from(".")),
                exclude: self.exclude.clone(),
            },
        }
    }
}

impl PolicyArgs {
    /// The order that these words mean.
    pub(super) fn order(&self, goal: rollout::Goal, selection: &SelectionArgs) -> Order {
        Order {
            id: RolloutId::new(),
            app: self.app.clone(),
            goal,
            options: OrderOptions {
                force: self.force,
                retry_quarantined: self.retry_quarantined,
                confirm: self.confirm,
                watch: self.watch,
            },
            own: None,
            parallel: self.parallel,
            named: !selection.host.is_empty(),
        }
    }
}
