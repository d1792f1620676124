//! One point: the checkpoint at which the updater is killed, and the one at which the next is.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};
use protocol::{Outcome, Phase};

use super::scenario::ScenarioRun;
use super::{CrashedHost, Scenario};
use crate::{LONG, eventually};

/// The checkpoints at which nothing has been touched yet, so that nothing has to be finished.
const BEFORE_THE_SWITCH: [&str; 8] = [
    "journal_written",
    "received",
    "moved_to_store",
    "built",
    "made_durable",
    "record_written",
    "self_checked",
    "self_started",
];

/// Where updaters are killed, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub scenario: Scenario,
    /// At which checkpoint the first updater is killed.
    pub first: u32,
    /// At which checkpoint the one that recovers is killed.
    pub second: Option<u32>,
}

/// The names of the checkpoints at which updaters were killed: as many as were reached.
pub type Killed = Vec<String>;

impl Point {
    /// Kills the updater there, starts it again, and looks whether everything holds, then and
    /// afterwards, and whether another release works.
    ///
    /// # Errors
    /// All that does not hold.
    pub fn attempt(&self, crashed: &mut CrashedHost) -> Result<Killed> {
        let run = crashed.prepare()?;
        let before = crashed.history().len();
        crashed.host.start_crashing(&self.first.to_string())?;
        crashed.host.answers()?;
        // A checkpoint that the order does not reach leaves nothing to be killed at.
        let answered = self.scenario.order(&crashed.host, &run);
        let mut killed = self.killed_or_done(crashed, 0)?;
        if killed.is_empty() {
            answered?;
        } else if let Some(second) = self.second {
            crashed.host.kill()?;
            crashed.host.holds().with_context(|| format!("killed at {killed:?}"))?;
            crashed.host.start_crashing(&second.to_string())?;
            killed = self.killed_or_done(crashed, 1)?;
        }
        crashed.host.kill()?;
        crashed.host.holds().with_context(|| format!("killed at {killed:?}"))?;
        crashed.host.start()?;
        self.ended_well(crashed, &run, before, &killed)
            .with_context(|| format!("killed at {killed:?}:\n{}", crashed.log()))?;
        crashed.goes_on().with_context(|| format!("after {killed:?}"))?;
        Ok(killed)
    }

    /// Waits for one more death than there were, or for the end.
    fn killed_or_done(&self, crashed: &CrashedHost, deaths: usize) -> Result<Killed> {
        eventually("the updater to be killed, or to be done", LONG, || {
            // Asked in any case: a new updater is waiting for its master.
            let done = self.is_done(crashed) && crashed.is_written_down();
            let killed = crashed.kills();
            (done || killed.len() > deaths).then_some(killed)
        })
        .with_context(|| crashed.log())
    }

    /// Whether the updater answers, and has nothing to do.
    fn is_done(&self, crashed: &CrashedHost) -> bool {
        let Ok(health) = crashed.host.health() else { return false };
        let idle = health.apps.values().all(|app| app.state == Phase::Idle);
        if self.scenario != Scenario::SelfUpdate {
            return idle;
        }
        // The old one leaves, the new one is in charge.
        let last = crashed.history().pop();
        let updated = last.filter(|last| last.outcome == Outcome::Updated);
        idle && updated.is_none_or(|last| last.to == Some(health.digest))
    }

    fn ended_well(
        &self,
        crashed: &CrashedHost,
        run: &ScenarioRun,
        before: usize,
        killed: &Killed,
    ) -> Result<()> {
        eventually("the end to be written down", LONG, || crashed.is_written_down().then_some(()))?;
        crashed.host.rests()?;
        let history = crashed.history();
        if self.scenario == Scenario::SelfUpdate && history.len() == before {
            // Killed before its journal was there, while its first release was being made.
            return Ok(());
        }
        ensure!(history.len() == before + 1, "there are {} new lines", history.len() - before);
        let last = history.last().context("a last line")?;
        self.scenario.may_end(run, last)?;
        let first = killed.first().map_or("", String::as_str);
        let early = killed.is_empty() || !BEFORE_THE_SWITCH.contains(&first);
        // The first has no switch of its own, and what has no program never comes to one.
        let switches = !matches!(self.scenario, Scenario::SelfUpdate | Scenario::NoProgram);
        if early && last.outcome == Outcome::Interrupted && switches {
            bail!("it was past the switch, and ended as interrupted");
        }
        crashed.host.data_fits()?;
        let (prev, expected) = (crashed.prev()?, run.prev_after(last));
        ensure!(prev == expected, "prev is {prev:?}, not {expected:?}");
        Ok(())
    }
}

/// `update:5`, `update:5,3`.
impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.scenario, self.first)?;
        self.second.map_or(Ok(()), |second| write!(formatter, ",{second}"))
    }
}

impl FromStr for Point {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (scenario, numbers) = text.split_once(':').context("write it as update:5,3")?;
        let (first, second) = match numbers.split_once(',') {
            Some((first, second)) => (first, Some(second.parse()?)),
            None => (numbers, None),
        };
        Ok(Self { scenario: scenario.parse()?, first: first.parse()?, second })
    }
}
