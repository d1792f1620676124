//! `swarm rollback`: hosts go back to a release that they had.

use clap::Args;
use control::fleet::Fleet;
use control::interrupt::Interrupt;
use control::rollout::{
    Archives, Goal, ReleaseNames, RolloutRequest, Sources, Summary, resolve, rollout_status,
};
use control::select::Selected;
use engine::{Request, RolloutResult};
use explain::{Exit, Failure};
use protocol::{HostName, Kind};
use store::{Locked, RolloutId, Store};
use time::PrimitiveDateTime;

use crate::cli::Context;
use crate::cli::begin::{Begin, How};
use crate::cli::policy_args::PolicyArgs;
use crate::cli::rollout::{Which, answer};
use crate::cli::runtime::block_on;
use crate::cli::selection::SelectionArgs;
use crate::cli::table_args::TableArgs;
use crate::output::show_summary;

/// The words of `swarm rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// Which hosts.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Go to this release instead of the one before: a digest or NAME@VERSION
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<String>,
    /// Take each host back one release, even if they end on different ones
    ///
    /// Without this, a rollback is refused if the hosts would go to different releases, or where some
    /// took their last release back by themselves.
    #[arg(long, conflicts_with = "to")]
    pub each: bool,
    /// How.
    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// Orders it, on all hosts.
pub(super) fn run(arguments: &RollbackArgs, context: &Context) -> Result<Exit, Failure> {
    let Context { home, store, .. } = context;
    let RollbackArgs { selection, to, each, policy } = arguments;
    let selection = selection.selection();
    let selected = selection.resolve(&store.hosts()?)?;
    let to = to.as_deref().map(|name| resolve(store, name)).transpose()?;
    if to.is_none()
        && !policy.dry_run
        && let Some(held) = held_by(store, &selected)?
    {
        return take_back(held, context);
    }
    let members = Fleet::open(home, store, context.timeouts)?.members(&selected);
    let request = RolloutRequest {
        each: *each,
        quarantined: store.quarantined_releases(&policy.app)?,
        ..policy.request(Goal::Back(to), &selection)
    };
    let how = if policy.dry_run { How::Shown } else { How::Done };
    block_on(async {
        let interrupt = Interrupt::listen()?;
        let table = TableArgs::default();
        let begin = Begin { context, how, wait: policy.wait, interrupt, table };
        begin.wished(&request, members, Archives::none(Goal::Back(to)), &Sources::default()).await
    })?
}

/// The update that has hosts of these, if these are all that it changes: to go back is to take it back then.
fn held_by(store: &Store, selected: &[Selected]) -> Result<Option<RolloutId>, Failure> {
    for Selected { host, .. } in selected {
        let Some(id) = store.holder(&host.name)? else { continue };
        let rollout = store.rollout(id)?;
        if rollout.kind != Kind::Update {
            continue;
        }
        let held = store.locked_hosts(id)?;
        let is_selected = |name: &HostName| selected.iter().any(|one| one.host.name == *name);
        if held.iter().all(is_selected) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Takes a rollout back that is under way, and waits until it has been.
fn take_back(id: RolloutId, context: &Context) -> Result<Exit, Failure> {
    let Context { store, output, now, .. } = context;
    let rollouts = context.rollouts();
    output.note(&format!("the rollout {id} has these hosts: taking it back"));
    if rollouts.driver(id)?.is_none() {
        return answer(&Which { id: id.to_string() }, &Request::Rollback, None, context);
    }
    let hosts = store.locked_hosts(id)?;
    rollouts.ask(store.rollout(id)?, &Request::Rollback, None)?;
    let interrupted = block_on(async {
        let interrupt = Interrupt::listen()?;
        let locked = Locked { rollout: id, hosts };
        tokio::select! {
            free = rollouts.wait_for(&locked, PrimitiveDateTime::MAX.assume_utc()) => drop(free?),
            () = interrupt.asked(1) => {}
        }
        Ok::<_, Failure>(interrupt.is_asked())
    })??;
    let state = rollout_status(store, store.rollout(id)?, now())?.state;
    let summary = Summary::of(id, &state);
    show_summary(output, &summary, &ReleaseNames::read(store)?, now());
    Ok(match summary.result {
        _ if interrupted => Exit::Interrupted,
        RolloutResult::RolledBack => Exit::Success,
        _ => summary.exit(),
    })
}
