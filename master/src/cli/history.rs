//! `swarm history`: the rollouts, and how they ended.

use api::{PastRollout, past_rollouts};
use clap::Args;
use control::rollout::ReleaseNames;
use engine::{NoticeBody, outcome_word};
use explain::{Exit, Failure, span, when};
use store::{Event, EventType, HostResultRecord};

use crate::cli::Context;
use crate::cli::count::at_least_one;
use crate::cli::event_line::short_line;
use crate::cli::table_args::TableArgs;
use crate::output::{Table, Tone};

/// The words of `swarm history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Number of rollouts, the latest ones
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true,
        value_parser = at_least_one)]
    limit: u32,
    /// Which columns.
    #[command(flatten)]
    table: TableArgs,
}

impl HistoryArgs {
    /// Shows the last rollouts, the newest first.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let store = &context.store;
        let past = past_rollouts(store, self.limit)?;
        if context.output.json() {
            context.output.document(&past);
        } else if past.is_empty() {
            context.output.note("no rollouts yet");
        } else {
            let names = ReleaseNames::read(store)?;
            let table = self.table.applied(table(&past, &names), &context.output)?;
            context.output.data(&table.render());
            if self.table.is_for_programs() {
                return Ok(Exit::Success);
            }
            let forgiven = store.events_of(&[EventType::ReleaseForgiven], self.limit)?;
            if !forgiven.is_empty() {
                let lines: Vec<_> =
                    forgiven.iter().map(|event| short_line(event, &names)).collect();
                context.output.data(&format!("\n{}", lines.join("\n")));
            }
        }
        Ok(Exit::Success)
    }
}

fn table(past: &[PastRollout], names: &ReleaseNames) -> Table {
    let headings = ["ROLLOUT", "STARTED", "TOOK", "RESULT", "RELEASE", "WHAT"];
    // What it was for is in the last column too.
    let mut table = Table::new(headings).hidden(&[4]).spare(&[2]);
    for PastRollout { rollout, hosts, decisions, .. } in past {
        let results = if hosts.is_empty() { String::new() } else { format!(": {}", counts(hosts)) };
        let took = rollout.finished_at.map(|end| (end - rollout.started_at).whole_milliseconds());
        let result = rollout.result.map_or(&*rollout.state, |result| result.into_str());
        table.row([
            &rollout.id.short(),
            &when(rollout.started_at),
            &took.map(|took| span(u64::try_from(took).unwrap_or(0))).unwrap_or_default(),
            result,
            &names.of(rollout.release.as_ref()),
            &format!("{}{results}{}", names.asked(rollout), decided(decisions)),
        ]);
        table.tone(3, tone(result));
    }
    table
}

/// What the result of a rollout means, by its name.
fn tone(result: &str) -> Tone {
    match result {
        "completed" => Tone::Good,
        "failed" | "unclear" => Tone::Bad,
        _ => Tone::Warning,
    }
}

/// `; eve approved batch 2`, for each that an operator decided.
fn decided(decisions: &[Event]) -> String {
    let words = |event: &Event| match event.notice()?.body {
        NoticeBody::Approved { gate, because, .. } => {
            let why = because.map(|why| format!(": {why}")).unwrap_or_default();
            Some(format!("; {} approved {gate}{why}", event.who))
        }
        NoticeBody::Resumed { continued: true, because } => {
            let why = because.map(|why| format!(": {why}")).unwrap_or_default();
            Some(format!("; {} went on with it{why}", event.who))
        }
        NoticeBody::Aborted { why } => Some(format!("; ended: {why}")),
        _ => None,
    };
    decisions.iter().filter_map(words).collect()
}

/// `2 updated, 1 rolled back`, in the order in which they come first.
fn counts(hosts: &[HostResultRecord]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    let word = |host: &HostResultRecord| outcome_word(host.outcome, host.code.as_deref());
    for name in hosts.iter().map(word) {
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    let counts: Vec<_> =
        counts.iter().map(|(name, count)| format!("{count} {}", name.replace('_', " "))).collect();
    counts.join(", ")
}

#[cfg(test)]
mod tests {
    use engine::RolloutResult;
    use protocol::{HostOutcome, Kind};
    use store::Rollout;
    use testing::{at, rollout};

    use super::*;

    #[test]
    fn a_rollout_that_never_ended_says_so() {
        let rollout = Rollout {
            finished_at: Some(at(9)),
            result: Some(RolloutResult::Failed),
            state: "failed".to_owned(),
            ..rollout()
        };
        let host = |name: &str, outcome| HostResultRecord {
            host: name.parse().unwrap(),
            outcome,
            code: None,
            detail: None,
            from: None,
            to: None,
            target: None,
            needed: None,
            free: None,
            transaction: None,
            duration_ms: None,
        };
        let hosts = vec![
            host("web-1", HostOutcome::Updated),
            host("web-2", HostOutcome::RolledBack),
            host("web-3", HostOutcome::Updated),
        ];
        let killed = Rollout {
            kind: Kind::Rollback,
            result: None,
            finished_at: None,
            release: None,
            state: "running".to_owned(),
            ..rollout.clone()
        };
        let past = [
            PastRollout {
                id: killed.id,
                rollout: killed,
                hosts: Vec::new(),
                decisions: Vec::new(),
            },
            PastRollout { id: rollout.id, rollout, hosts, decisions: Vec::new() },
        ];
        let text = table(&past, &ReleaseNames::default()).within(Some(80)).render();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text);
        for columns in [40, 120, 220] {
            let text = table(&past, &ReleaseNames::default()).within(Some(columns)).render();
            insta::assert_snapshot!(format!("history_{columns}"), text);
        }
    }
}
