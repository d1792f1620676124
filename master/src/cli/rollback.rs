//! `swarm rollback`: hosts go back to a release that they had.

use clap::Args;
use control::fleet::Fleet;
use control::interrupt::Interrupt;
use control::rollout::{Archives, Goal, Sources, resolve};
use explain::{Exit, Failure};

use crate::cli::Context;
use crate::cli::begin::{Begin, How};
use crate::cli::policy_args::PolicyArgs;
use crate::cli::runtime::block_on;
use crate::cli::selection::SelectionArgs;

/// The words of `swarm rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// Which hosts.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Go to this release instead of the one before: a digest or NAME@VERSION
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<String>,
    /// How.
    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// Orders it, on all hosts.
pub(super) fn run(arguments: &RollbackArgs, context: &Context) -> Result<Exit, Failure> {
    let Context { home, store, .. } = context;
    let RollbackArgs { selection, to, policy } = arguments;
    let selection = selection.selection();
    let selected = selection.resolve(&store.hosts()?)?;
    let to = to.as_deref().map(|name| resolve(store, name)).transpose()?;
    let members = Fleet::open(home, store, context.timeouts)?.members(&selected);
    let request = policy.request(Goal::Back(to), &selection);
    let how = if policy.dry_run { How::Shown } else { How::Done };
    block_on(async {
        let interrupt = Interrupt::listen()?;
        let begin = Begin { context, how, wait: policy.wait, interrupt };
        begin.wished(&request, members, Archives::none(Goal::Back(to)), &Sources::default()).await
    })?
}
