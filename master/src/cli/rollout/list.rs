//! `swarm rollout list`.

use api::ListedRollout;
use clap::Args;
use control::rollout::{ReleaseNames, RolloutError, RolloutStatus, rollout_status};
use engine::describe_rollout;
use explain::{Exit, Failure, when};
use store::Rollout;

use crate::cli::Context;
use crate::cli::count::at_least_one;
use crate::cli::table_args::TableArgs;
use crate::output::Table;

/// The words of `swarm rollout list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those that are not over
    #[arg(long)]
    open: bool,
    /// Number of rollouts, the latest ones
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true,
        value_parser = at_least_one)]
    limit: u32,
    /// Which columns.
    #[command(flatten)]
    table: TableArgs,
}

impl ListArgs {
    /// Lists them, the newest first.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { store, output, now, .. } = context;
        let rollouts = store.rollouts(self.open, self.limit)?;
        let rollouts = rollouts.into_iter().map(|rollout| {
            let is_open = rollout.plan.is_some() && rollout.finished_at.is_none();
            let status = is_open.then(|| rollout_status(store, rollout.clone(), now()));
            Ok((rollout, status.transpose()?))
        });
        let rollouts = rollouts.collect::<Result<Vec<_>, RolloutError>>()?;
        if output.json() {
            let rollouts = rollouts.iter();
            let listed = rollouts.map(|(rollout, it)| ListedRollout::of(rollout, it.as_ref()));
            output.document(&listed.collect::<Vec<_>>());
        } else if rollouts.is_empty() {
            output.note("no rollouts");
        } else {
            let waits_for = |status: RolloutStatus| {
                status.abandoned().unwrap_or_else(|| describe_rollout(&status.state))
            };
            let rollouts = rollouts.into_iter();
            let rollouts: Vec<_> =
                rollouts.map(|(rollout, status)| (status.map(waits_for), rollout)).collect();
            let table = table(&rollouts, &ReleaseNames::read(store)?);
            output.data(&self.table.applied(table, output)?.render());
        }
        Ok(Exit::Success)
    }
}

/// Rollouts, and what each waits for that is not over.
fn table(rollouts: &[(Option<String>, Rollout)], names: &ReleaseNames) -> Table {
    let mut table = Table::new(["ROLLOUT", "STARTED", "STATE", "WHAT"]);
    for (waits_for, rollout) in rollouts {
        let waits_for = waits_for.as_ref().map(|line| format!(": {line}")).unwrap_or_default();
        table.row([
            &rollout.id.short(),
            &when(rollout.started_at),
            &rollout.state,
            &format!("{}{waits_for}", names.asked(rollout)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use protocol::Kind;
    use testing::{at, rollout, run};

    use super::*;

    #[test]
    fn the_list_fits_80_columns_and_says_what_is_waited_for() {
        let waits = run(500, "canary=1 approve=canary", &[]);
        let open = Rollout { state: "awaiting_approval".to_owned(), ..rollout() };
        let over = Rollout {
            kind: Kind::Rollback,
            release: None,
            selection: "--select 'web*:&zone=a:!web-1'".to_owned(),
            who: "ada (as root)".to_owned(),
            finished_at: Some(at(9)),
            state: "rolled_back".to_owned(),
            ..rollout()
        };
        let rollouts = [(Some(describe_rollout(&waits.state)), open), (None, over)];
        let text = table(&rollouts, &ReleaseNames::default()).within(Some(80)).render();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text);
        let piped = table(&rollouts, &ReleaseNames::default()).render();
        assert_eq!(piped.lines().count(), 3, "a line a rollout: {piped}");
    }
}
