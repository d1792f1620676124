//! `swarm history`: the rollouts, and how they ended.

use clap::Args;
use serde::Serialize;

use crate::cli::Context;
use crate::output::{Exit, Failure, Table, when};
use crate::rollout::ReleaseNames;
use crate::store::{HostResult, Rollout};

/// The words of `swarm history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// How many of the last rollouts
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
}

#[derive(Serialize)]
struct Past {
    #[serde(flatten)]
    rollout: Rollout,
    hosts: Vec<HostResult>,
}

impl HistoryArgs {
    /// Shows the last rollouts, the newest first.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let store = &context.store;
        let mut past = Vec::new();
        for rollout in store.rollouts(self.limit)? {
            let hosts = store.host_results(rollout.id)?;
            past.push(Past { rollout, hosts });
        }
        if context.output.json() {
            context.output.document(&past);
        } else if past.is_empty() {
            context.output.note("no rollouts yet");
        } else {
            context.output.data(&table(&past, &ReleaseNames::read(store)?));
        }
        Ok(Exit::Success)
    }
}

fn table(past: &[Past], names: &ReleaseNames) -> String {
    let mut table =
        Table::new(["STARTED", "KIND", "RELEASE", "HOSTS", "WHO", "RESULT", "CAME TO", "ROLLOUT"]);
    for Past { rollout, hosts } in past {
        table.row([
            &when(rollout.started_at),
            rollout.kind.name(),
            &names.of(rollout.release.as_ref()),
            &rollout.selection,
            &rollout.who,
            rollout.result.map_or(&*rollout.state, |result| result.name()),
            &counts(hosts),
            &rollout.id.to_string(),
        ]);
    }
    table.render()
}

/// `2 updated, 1 rolled_back`, in the order in which they come first.
fn counts(hosts: &[HostResult]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for name in hosts.iter().map(|host| host.outcome.name()) {
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    counts.join(", ")
}

#[cfg(test)]
mod tests {
    use protocol::{Digest, HostOutcome, Kind};
    use serde_json::Value;

    use super::*;
    use crate::store::testing::at;
    use crate::store::{RolloutId, RolloutResult};

    #[test]
    fn a_rollout_that_never_ended_says_so() {
        let id = "019a5c26-0000-7000-8000-000000000001";
        let rollout = Rollout {
            id: serde_json::from_value::<RolloutId>(id.into()).unwrap(),
            kind: Kind::Update,
            app: "agent".parse().unwrap(),
            release: Some(Digest::from_bytes([7; 32])),
            selection: "--all".to_owned(),
            who: "ada".to_owned(),
            epoch: 1,
            policy: Value::Null,
            started_at: at(0),
            finished_at: Some(at(9)),
            result: Some(RolloutResult::Failed),
            state: "failed".to_owned(),
            plan: None,
        };
        let host = |name: &str, outcome| HostResult {
            host: name.parse().unwrap(),
            outcome,
            code: None,
            detail: None,
            from: None,
            to: None,
            transaction: None,
            duration_ms: None,
        };
        let hosts = vec![
            host("web-1", HostOutcome::Updated),
            host("web-2", HostOutcome::RolledBack),
            host("web-3", HostOutcome::Updated),
        ];
        let killed = Rollout {
            result: None,
            finished_at: None,
            release: None,
            state: "running".to_owned(),
            ..rollout.clone()
        };
        let past = [Past { rollout: killed, hosts: Vec::new() }, Past { rollout, hosts }];
        insta::assert_snapshot!(table(&past, &ReleaseNames::default()));
    }
}
