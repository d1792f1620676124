//! How many points were tried, how many held, and how to try a lost one again.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::Result;
use clap::ValueEnum;

use crate::fault::Kind;
use crate::say;
use crate::scenario::Scenario;
use crate::sweep::Point;

/// What became of a point.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// All that must hold did.
    Held,
    /// Something did not.
    Lost(String),
    /// The call was not made.
    NotReached,
}

/// Counts, by scenario and fault.
#[derive(Debug, Default)]
pub(crate) struct Report {
    counts: BTreeMap<(Scenario, Kind), Count>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    tried: u32,
    held: u32,
    not_reached: u32,
}

impl Report {
    /// Adds a point. A lost one is told at once.
    pub(crate) fn add(&mut self, point: &Point, verdict: Verdict) -> Result<()> {
        let count = self.counts.entry((point.scenario, point.kind)).or_default();
        match verdict {
            Verdict::Held => {
                count.tried += 1;
                count.held += 1;
            }
            Verdict::NotReached => count.not_reached += 1,
            Verdict::Lost(why) => {
                count.tried += 1;
                let (scenario, kind) = (name(&point.scenario), name(&point.kind));
                let at = &point.at;
                say(&format!("LOST: {scenario}, {kind} at {at}: {why}"))?;
                let again = format!("--scenario {scenario} --fault {kind} --at {at}");
                say(&format!("again: make crash ARGS='{again}'"))?;
            }
        }
        Ok(())
    }

    /// Whether all did, and there were some.
    pub(crate) fn held(&self) -> bool {
        let all = self.all();
        all.tried > 0 && all.tried == all.held
    }

    /// The table.
    pub(crate) fn print(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{:<14} {:<7} {:>6} {:>6} {:>12}", "", "", "tried", "held", "not reached")?;
        for ((scenario, kind), count) in &self.counts {
            let (scenario, kind) = (name(scenario), name(kind));
            let Count { tried, held, not_reached } = count;
            writeln!(out, "{scenario:<14} {kind:<7} {tried:>6} {held:>6} {not_reached:>12}")?;
        }
        let Count { tried, held, not_reached } = self.all();
        writeln!(out, "{:<14} {:<7} {tried:>6} {held:>6} {not_reached:>12}", "all", "")?;
        Ok(())
    }

    fn all(&self) -> Count {
        self.counts.values().fold(Count::default(), |all, one| Count {
            tried: all.tried + one.tried,
            held: all.held + one.held,
            not_reached: all.not_reached + one.not_reached,
        })
    }
}

/// As it is typed.
fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
}
