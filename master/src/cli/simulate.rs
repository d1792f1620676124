//! `swarm simulate`: a rollout through a fleet that is made up, in a time that is made up.

use api::{SimulationDocument, SimulationsDocument};
use clap::{Args, value_parser};
use engine::simulate::{Answer, Outcome, Scenario, run};
use explain::{Exit, span};
use time::OffsetDateTime;

use crate::cli::choice::Choice;
use crate::cli::faults::FaultArgs;
use crate::cli::policy_args::CourseArgs;
use crate::cli::table_args::TableArgs;
use crate::output::{Output, Table, Tone, UnknownColumn, wrapped};

/// The words of `swarm simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Number of hosts
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..=10_000_000))]
    hosts: u32,
    /// The random seed; the same seed gives the same result on every machine
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Number of runs, each with the next seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u64).range(1..))]
    seeds: u64,
    /// Let the seed choose policy, faults and answers too; meanwhile another operator starts a second
    /// rollout of the same hosts, and presses Ctrl-C
    #[arg(long, conflicts_with_all = ["answer"])]
    any: bool,
    /// The operator's answer when the rollout pauses
    #[arg(long, value_enum, value_name = "ANSWER", default_value_t, help_heading = "Policy")]
    answer: Choice<Answer>,
    /// How.
    #[command(flatten)]
    course: CourseArgs,
    /// What goes wrong.
    #[command(flatten)]
    faults: FaultArgs,
    /// Which columns.
    #[command(flatten)]
    table: TableArgs,
}

impl SimulateArgs {
    /// Simulates. Exits with 1 if something was broken that must hold: never because of what a
    /// rollout came to.
    pub(super) fn run(
        &self,
        output: &Output,
        now: fn() -> OffsetDateTime,
    ) -> Result<Exit, UnknownColumn> {
        let mut many = SimulationsDocument::default();
        for seed in self.seed..self.seed.saturating_add(self.seeds) {
            let begun = now();
            let outcome = run(&self.scenario(seed));
            if self.seeds == 1 && output.json() {
                let (hosts, outcome) = (self.hosts, &outcome);
                output.document(&SimulationDocument { seed, hosts, outcome });
            } else if self.seeds == 1 {
                output.data(&self.table.applied(table(&outcome), output)?.render());
                if self.table.is_for_programs() {
                    continue;
                }
                output.data(&below(&outcome, output.columns()));
                let took = span(u64::try_from((now() - begun).whole_milliseconds()).unwrap_or(0));
                output.note(&format!("seed {seed}, simulated in {took}"));
            }
            add(&mut many, &outcome);
            if !outcome.broken.is_empty() {
                tell_broken(output, seed, &outcome);
            }
        }
        if self.seeds > 1 {
            self.show(output, &many)?;
        }
        Ok(if many.broken == 0 { Exit::Success } else { Exit::Failed })
    }

    fn scenario(&self, seed: u64) -> Scenario {
        if self.any {
            return Scenario::of_chance(seed, self.hosts);
        }
        Scenario {
            hosts: self.hosts,
            seed,
            policy: self.course.policy(),
            faults: self.faults.faults(),
            answer: self.answer.0,
            busy: false,
        }
    }
}

/// What must hold and does not is a defect; here is what shows it.
fn tell_broken(output: &Output, seed: u64, outcome: &Outcome) {
    for (time, what) in &outcome.broken {
        output.note(&format!("seed {seed}, after {}: {what}", span(*time)));
    }
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    output.note(&format!("to see it again: {}", replay(words, seed)));
}

/// The command that runs just this seed.
fn replay(words: impl Iterator<Item = String>, seed: u64) -> String {
    let mut kept = Vec::new();
    let mut words = words.skip(1);
    while let Some(word) = words.next() {
        match word.split_once('=').map_or(word.as_str(), |(name, _)| name) {
            "--seed" | "--seeds" => {
                if !word.contains('=') {
                    words.next();
                }
            }
            _ => kept.push(word),
        }
    }
    format!("swarm {} --seed {seed}", kept.join(" "))
}

/// A row an outcome, those that are bad first.
fn table(outcome: &Outcome) -> Table {
    let mut table = Table::new(["OUTCOME", "HOSTS"]);
    let mut sorted: Vec<_> = outcome.outcomes.iter().collect();
    sorted.sort_by_key(|(name, _)| tone(name) != Tone::Bad);
    for (name, hosts) in sorted {
        table.row([name, &hosts.to_string()]);
        table.tone(0, tone(name));
    }
    table
}

/// What an outcome means, by its name.
fn tone(outcome: &str) -> Tone {
    match outcome {
        "updated" | "already_current" => Tone::Good,
        "skipped" => Tone::Warning,
        _ => Tone::Bad,
    }
}

fn below(outcome: &Outcome, columns: Option<usize>) -> String {
    let worst = &outcome.worst_case;
    let text = format!(
        "{}\nharmed: {} of {} (at most {} in the worst case, {} if it is bad everywhere)\n\
         took: {} of simulated time, {} events, {} batches",
        outcome.waits_for,
        outcome.harmed,
        worst.hosts,
        worst.harmed,
        worst.if_bad_everywhere,
        span(outcome.took_ms),
        outcome.events,
        outcome.batches,
    );
    let fitted = |line: &str| {
        columns.map_or_else(|| line.to_owned(), |columns| wrapped(line, columns).join("\n"))
    };
    let lines: Vec<_> = text.lines().map(fitted).collect();
    format!("\n{}\n", lines.join("\n"))
}

fn add(many: &mut SimulationsDocument, outcome: &Outcome) {
    *many.statuses.entry(outcome.status).or_default() += 1;
    many.most_harmed = many.most_harmed.max(outcome.harmed);
    many.broken += u64::from(!outcome.broken.is_empty());
}

impl SimulateArgs {
    fn show(&self, output: &Output, many: &SimulationsDocument) -> Result<(), UnknownColumn> {
        if output.json() {
            output.document(many);
            return Ok(());
        }
        let mut table = Table::new(["ROLLOUT", "SEEDS"]);
        for (status, seeds) in &many.statuses {
            table.row([status, &seeds.to_string()]);
        }
        output.data(&self.table.applied(table, output)?.render());
        if self.table.is_for_programs() {
            return Ok(());
        }
        let held = match many.broken {
            0 => "all that must hold held".to_owned(),
            seeds => format!("what must hold was broken in {seeds}"),
        };
        output.data(&format!("\nharmed at most: {} hosts\n{held}\n", many.most_harmed));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_broken_can_be_seen_again() {
        let words =
            "swarm simulate --seeds=9 --any --seed 4 --hosts 12".split(' ').map(str::to_owned);
        assert_eq!(replay(words, 7), "swarm simulate --any --hosts 12 --seed 7");
    }

    #[test]
    fn an_outcome_is_a_table_and_three_lines() {
        let scenario = Scenario::of_chance(3, 12);
        let outcome = run(&scenario);
        let shown = |columns| {
            let table = table(&outcome).within(columns).render();
            format!("{table}{}", below(&outcome, columns))
        };
        insta::assert_snapshot!(shown(None));
        for columns in [40, 80, 120, 220] {
            let text = shown(Some(columns));
            assert!(text.lines().all(|line| line.len() <= columns), "{text}");
            insta::assert_snapshot!(format!("simulate_{columns}"), text);
        }
    }
}
