//! A drill from its beginning to its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use common::failed_to;
use protocol::{
    AppName, Code, DrillReport, DrillStatus, DrillStep, FORMAT, Outcome, Period, Problem,
};
use time::OffsetDateTime;
use tokio::runtime::Handle;

use super::DrillError;
use super::scratch::{Scratch, remove_leftovers};
use super::step::Stage;
use crate::config::Config;
use crate::sys::wall_clock;
use crate::transaction::{App, AppLock, Events, internal, try_lock};

/// Where the updater is killed in an update to a good release, and how that update ends then.
const KILLS: [(&str, Outcome); 6] = [
    ("received", Outcome::Interrupted),
    ("made_durable", Outcome::Interrupted),
    ("active_flipped", Outcome::Updated),
    ("agent_stopped", Outcome::Updated),
    ("agent_started", Outcome::Updated),
    ("outcome_written", Outcome::Updated),
];
/// Where it is killed in an update to a bad one.
const KILLED_ON_THE_WAY_BACK: &str = "active_reversed";

/// A drill that may begin: no other one is under way, and none can begin.
pub struct Drill {
    scratch: Scratch,
    file: PathBuf,
    app: AppName,
    caller: String,
    handle: Handle,
    limit: Period,
    began: Instant,
    started_at: OffsetDateTime,
    _lock: AppLock,
}

impl Drill {
    /// Of the scratch app beside `app`, whose configuration is in `file`. Nothing is touched yet.
    pub fn new(
        config: &Config,
        file: &Path,
        app: &AppName,
        caller: &str,
        handle: Handle,
    ) -> Result<Self, Problem> {
        let scratch = Scratch::beside(config, app).map_err(|error| internal(&error))?;
        let lock = lock(config).map_err(|error| internal(&error))?;
        let lock = lock.ok_or_else(|| {
            Problem::new(Code::UpdateInProgress, "another drill is under way on this host")
        })?;
        Ok(Self {
            scratch,
            file: file.to_owned(),
            app: app.clone(),
            caller: caller.to_owned(),
            handle,
            limit: config.limits.drill_timeout,
            began: Instant::now(),
            started_at: wall_clock(),
            _lock: lock,
        })
    }

    /// Does it, tells each step, and leaves nothing behind. Blocks; for a plain thread, with which
    /// what it started ends.
    pub fn run(self, hear: impl FnMut(&DrillStep)) -> DrillReport {
        let mut steps = Steps { hear, all: Vec::new() };
        let first = self.scratch.is_first();
        self.steps(&mut steps);
        steps.take("clean_up", || self.scratch.remove(first));
        let failed = steps.all.iter().find(|step| !step.passed);
        let detail = failed.map(|step| {
            format!("{}: {}", step.step, step.detail.as_deref().unwrap_or("it failed"))
        });
        let status = if failed.is_none() { DrillStatus::Passed } else { DrillStatus::Failed };
        DrillReport {
            format: FORMAT,
            status,
            code: failed.map(|_| Code::DrillFailed),
            app: self.app,
            started_at: self.started_at,
            duration_ms: milliseconds(self.began),
            detail,
            steps: steps.all,
            caller: self.caller,
        }
    }

    /// `None` after the first that fails.
    fn steps<H: FnMut(&DrillStep)>(&self, steps: &mut Steps<H>) -> Option<()> {
        let mut stage = steps.take("prepare", || self.prepare())?;
        steps.take("install", || stage.update(true))?;
        let flip = steps.take("update", || stage.update(true))?;
        if let Some(duration_ms) = flip {
            let step = "flip".to_owned();
            steps.add(DrillStep { step, passed: true, duration_ms, detail: None });
        }
        for (at, outcome) in KILLS {
            let to = steps.take(&format!("kill:{at}"), || stage.kill(at, true))?;
            steps.take(&format!("recovery:{at}"), || stage.recover(to, outcome))?;
        }
        steps.take("reversal", || stage.update(false))?;
        let at = KILLED_ON_THE_WAY_BACK;
        let to = steps.take(&format!("kill:{at}"), || stage.kill(at, false))?;
        steps.take(&format!("recovery:{at}"), || stage.recover(to, Outcome::RolledBack))?;
        steps.take("rollback", || stage.roll_back())
    }

    fn prepare(&self) -> Result<Stage<'_>, DrillError> {
        remove_leftovers(&self.scratch.config)?;
        self.scratch.make()?;
        let Scratch { config, name, .. } = &self.scratch;
        let events = Events::new(self.started_at);
        let app = App::new(name.clone(), config, events, Arc::default(), self.handle.clone())?;
        Ok(Stage {
            scratch: &self.scratch,
            file: &self.file,
            beside: &self.app,
            app: Arc::new(app),
            limit: self.limit,
            deadline: self.began + self.limit.0,
            releases: 0,
            lines: 0,
            active: None,
            prev: None,
        })
    }
}

/// Removes what a drill that was cut short has left, unless one is under way.
pub fn sweep(config: &Config) -> Result<(), DrillError> {
    let lock = lock(config).map_err(DrillError::disk("lock", &config.state_dir))?;
    if lock.is_some() { remove_leftovers(config) } else { Ok(()) }
}

fn lock(config: &Config) -> std::io::Result<Option<AppLock>> {
    try_lock(&config.state_dir.join("drill.lock"))
}

/// The steps so far, and who hears of each.
struct Steps<H> {
    hear: H,
    all: Vec<DrillStep>,
}

impl<H: FnMut(&DrillStep)> Steps<H> {
    fn take<T>(&mut self, step: &str, act: impl FnOnce() -> Result<T, DrillError>) -> Option<T> {
        let began = Instant::now();
        let done = act();
        let detail = done.as_ref().err().map(|error| failed_to(error));
        let (passed, duration_ms) = (done.is_ok(), milliseconds(began));
        self.add(DrillStep { step: step.to_owned(), passed, duration_ms, detail });
        done.ok()
    }

    fn add(&mut self, step: DrillStep) {
        (self.hear)(&step);
        self.all.push(step);
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::CHECKPOINTS;

    #[test]
    fn updaters_are_killed_at_checkpoints_that_there_are() {
        for at in KILLS.iter().map(|(at, _)| *at).chain([KILLED_ON_THE_WAY_BACK]) {
            assert!(CHECKPOINTS.contains(&at), "{at}");
        }
    }
}
