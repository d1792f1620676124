//! How many points were tried, how many held, and how to try a lost one again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use crate::fault::FaultKind;
use crate::say;
use crate::scenario::Scenario;
use crate::sweep::Point;

/// After so many points whoever waits is told where it stands.
const TOLD_EVERY: u32 = 100;

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
#[derive(Debug)]
pub(crate) struct Report {
    began: Instant,
    points: usize,
    counts: BTreeMap<(Scenario, FaultKind), Count>,
    /// How to try each lost one again.
    lost: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    tried: u32,
    held: u32,
    not_reached: u32,
}

impl Report {
    /// Of so many points.
    pub(crate) fn new(points: usize) -> Self {
        Self { began: Instant::now(), points, counts: BTreeMap::new(), lost: Vec::new() }
    }

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
                let again = format!("again: make crash ARGS='{again}'");
                say(&again)?;
                self.lost.push(again);
            }
        }
        let done = self.all(|_| true);
        let done = done.tried + done.not_reached;
        if done.is_multiple_of(TOLD_EVERY) {
            say(&format!("{done} of {} points, {} lost", self.points, self.lost.len()))?;
        }
        Ok(())
    }

    /// Whether all did, and there were some.
    pub(crate) fn held(&self) -> bool {
        let all = self.all(|_| true);
        all.tried > 0 && all.tried == all.held
    }

    /// The table: a line for each scenario, a column for each fault.
    pub(crate) fn print(&self) -> Result<()> {
        let scenarios: BTreeSet<_> = self.counts.keys().map(|(scenario, _)| *scenario).collect();
        let kinds: BTreeSet<_> = self.counts.keys().map(|(_, kind)| *kind).collect();
        let mut out = std::io::stdout().lock();
        write!(out, "{:<16}", "held of tried")?;
        for kind in &kinds {
            write!(out, "{:>12}", name(kind))?;
        }
        writeln!(out, "{:>14}", "all")?;
        for scenario in scenarios.into_iter().map(Some).chain([None]) {
            let of = |count: &(Scenario, FaultKind)| scenario.is_none_or(|one| one == count.0);
            write!(out, "{:<16}", scenario.as_ref().map_or("all".to_owned(), name))?;
            for kind in &kinds {
                write!(out, "{:>12}", self.all(|key| of(key) && key.1 == *kind).to_string())?;
            }
            writeln!(out, "{:>14}", self.all(of).to_string())?;
        }
        let not_reached = self.all(|_| true).not_reached;
        let took = self.began.elapsed().as_secs();
        writeln!(out, "in {}m{:02}s", took / 60, took % 60)?;
        if not_reached > 0 {
            writeln!(out, "not reached, since threads take turns as they like: {not_reached}")?;
        }
        for again in &self.lost {
            writeln!(out, "lost; {again}")?;
        }
        Ok(())
    }

    fn all(&self, of: impl Fn(&(Scenario, FaultKind)) -> bool) -> Count {
        let counts = self.counts.iter().filter(|(key, _)| of(key)).map(|(_, count)| count);
        counts.fold(Count::default(), |all, one| Count {
            tried: all.tried + one.tried,
            held: all.held + one.held,
            not_reached: all.not_reached + one.not_reached,
        })
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.held, self.tried)
    }
}

/// As it is typed.
fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
}
