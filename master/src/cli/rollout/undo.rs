//! `swarm rollout undo ID`: the hosts that a rollout changed run again what each ran before it.

use std::collections::BTreeSet;

use clap::Args;
use control::fleet::Fleet;
use control::interrupt::Interrupt;
use control::rollout::{Archives, Goal, RolloutRequest, Sources, changes, undo_order, undo_policy};
use control::select::{Chosen, HostOrder, Selection};
use engine::Request;
use explain::{Exit, Failure};

use crate::cli::Context;
use crate::cli::begin::{Begin, How};
use crate::cli::reason::reason;
use crate::cli::rollout::answer;
use crate::cli::rollout::args::Which;
use crate::cli::runtime::block_on;
use crate::cli::table_args::TableArgs;

/// The words of `swarm rollout undo`.
#[derive(Debug, Args)]
pub struct UndoArgs {
    /// Which rollout.
    #[command(flatten)]
    which: Which,
    /// Show what would happen, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    message: Option<String>,
}

impl UndoArgs {
    /// Undoes a rollout that is over by another one; one that is not over takes itself back.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { home, store, .. } = context;
        let rollout = store.find_rollout(&self.which.id)?;
        if rollout.finished_at.is_none() && !self.dry_run {
            return answer::run(&self.which, &Request::Rollback, None, context);
        }
        let (plan, _) = context.rollouts().begun(rollout.id)?;
        let changes = changes(store, &rollout)?;
        let hosts = store.hosts()?;
        let known: BTreeSet<_> = hosts.iter().map(|host| &host.name).collect();
        let order = undo_order(&plan, &changes).into_iter().filter(|host| known.contains(host));
        let selection =
            Selection { chosen: Chosen::Named(order.collect()), order: HostOrder::Given };
        let members =
            Fleet::open(home, store, context.timeouts)?.members(&selection.resolve(&hosts)?);
        let goal = Goal::Undo(changes);
        let request = RolloutRequest {
            app: rollout.app.clone(),
            goal: goal.clone(),
            updater: None,
            migration: None,
            policy: undo_policy(&plan.policy),
            selection: format!("what the rollout {} changed", rollout.id.short()),
            message: self.message.clone(),
            by_name: true,
            each: true,
            quarantined: BTreeSet::new(),
        };
        let how = if self.dry_run { How::Shown } else { How::Done };
        block_on(async {
            let (interrupt, table) = (Interrupt::listen()?, TableArgs::default());
            let begin = Begin { context, how, wait: None, interrupt, table };
            begin.wished(&request, members, Archives::none(goal), &Sources::default()).await
        })?
    }
}
