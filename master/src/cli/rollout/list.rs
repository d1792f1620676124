//! `swarm rollout list`.

use clap::Args;

use crate::cli::Context;
use crate::output::{Exit, Failure, Table, when};
use crate::rollout::engine::waits_for;
use crate::rollout::{ReleaseNames, stand};

/// The words of `swarm rollout list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those that are not over
    #[arg(long)]
    open: bool,
    /// How many of the last rollouts
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
}

impl ListArgs {
    /// Lists them, the newest first.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { store, output, now, .. } = context;
        let mut rollouts = store.rollouts(self.limit)?;
        rollouts.retain(|rollout| !self.open || rollout.finished_at.is_none());
        if output.json() {
            output.document(&rollouts);
            return Ok(Exit::Success);
        }
        let names = ReleaseNames::read(store)?;
        let mut table =
            Table::new(["ROLLOUT", "STATE", "STARTED", "WHO", "HOSTS", "RELEASE", "WHY"]);
        for rollout in rollouts {
            let why = match rollout.plan {
                Some(_) if rollout.finished_at.is_none() => {
                    waits_for(&stand(store, rollout.clone(), now())?.state)
                }
                _ => String::new(),
            };
            table.row([
                &rollout.id.to_string(),
                &rollout.state,
                &when(rollout.started_at),
                &rollout.who,
                &rollout.selection,
                &names.of(rollout.release.as_ref()),
                &why,
            ]);
        }
        if table.is_empty() {
            output.note("no rollouts");
        } else {
            output.data(&table.render());
        }
        Ok(Exit::Success)
    }
}
