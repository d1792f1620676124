//! Starting, stopping and finding the units of one app.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::{FORMAT, Period};
use time::OffsetDateTime;

use super::files::{UNIT_DIRECTORY, UnitFiles};
use super::order::stop_order;
use super::shipped::read_units;
use super::{Started, environment, follow};
use crate::config::RunConfig;
use crate::runner::instance::Record;
use crate::runner::process::Runner;
use crate::runner::seat::Seat;
use crate::runner::{AgentLog, Instance, Launch, RunnerError};
use crate::sys::process::{ProcessId, boot_id};
use crate::sys::{checkpoint, proc, wall_clock, write_durably};
use crate::systemd::{Bus, JobResult, Systemd, SystemdError, UnitState, last_lines};

#[derive(Debug)]
pub(in crate::runner) struct UnitsRunner {
    units: Vec<String>,
    /// Unit files that a release may ship.
    unit_files: Vec<String>,
    /// What every unit gets besides the names of its release.
    environment: BTreeMap<String, String>,
    start_timeout: Duration,
    bus_timeout: Duration,
    kill_timeout: Duration,
    bus: Bus,
    files: UnitFiles,
    seat: Seat,
    /// `release.env`, which the units' drop-ins name.
    variables: PathBuf,
    /// There while a transaction is under way.
    journal: PathBuf,
    /// Units print to the journal; this one stays empty.
    log: AgentLog,
}

impl UnitsRunner {
    /// For the units that the configuration names. `state` is the app's own state directory.
    pub(in crate::runner) fn new(config: &RunConfig, state: &Path) -> Result<Self, RunnerError> {
        Ok(Self {
            units: config.units.clone(),
            unit_files: config.unit_files.clone(),
            environment: config.env.clone(),
            start_timeout: config.start_timeout.0,
            bus_timeout: config.bus_timeout.0,
            kill_timeout: config.kill_timeout.0,
            bus: Bus::new(config.bus_timeout.0).map_err(SystemdError::Thread)?,
            files: UnitFiles::new(Path::new(UNIT_DIRECTORY), state.join("units.json")),
            seat: Seat::new(state.join("instance.json"), config.kill_timeout.0, None),
            variables: state.join("release.env"),
            journal: state.join("journal.json"),
            log: AgentLog::new(state, config.log_bytes.0),
        })
    }
}

impl Runner for UnitsRunner {
    fn check(&self, launch: &Launch) -> Result<(), RunnerError> {
        // The host may have taken it when it was sent, and not any more.
        if let Some(unit) = launch.units.keys().find(|unit| !self.unit_files.contains(unit)) {
            let why = "is of the release, and `unit_files` does not name it".to_owned();
            return Err(RunnerError::UnusableUnit { unit: unit.clone(), why, shipped: false });
        }
        read_units(launch)?;
        for (unit, state) in self.states()? {
            let shipped = launch.units.contains_key(&unit);
            // One without a file, or with a bad one, is mended by the file that is shipped.
            let mended = shipped && state.load != crate::systemd::Load::Masked;
            if let Some(why) = state.unusable().filter(|_| !mended) {
                return Err(RunnerError::UnusableUnit { unit, why, shipped });
            }
        }
        Ok(())
    }

    fn start(&self, launch: &Launch) -> Result<Instance, RunnerError> {
        self.seat.prepare()?;
        self.write_variables(launch)?;
        let mut wanted = read_units(launch)?;
        wanted.retain(|unit, _| self.unit_files.contains(unit));
        wanted.extend(self.drop_ins());
        self.files.bring_about(&wanted, || self.reload())?;
        checkpoint("units_placed");
        let begun = wall_clock();
        let mut started = Vec::new();
        for unit in &self.units {
            self.start_unit(unit, launch, begun)?;
        }
        for (unit, state) in self.states()? {
            let up = Started::take(&unit, &state).and_then(|up| {
                let restarted = up.restarted();
                if restarted { Err("was started again by systemd".to_owned()) } else { Ok(up) }
            });
            match up {
                Ok(up) => started.push((up, state.main_pid)),
                Err(how) => return Err(self.failed(unit, how, begun)),
            }
        }
        let record = Record {
            format: FORMAT,
            mark: mark_of(begun),
            leader: None,
            group: None,
            units: Vec::new(),
            digest: launch.digest,
            version: launch.version.clone(),
            release_path: launch.release_path.clone(),
            started_at: begun,
            log_start: 0,
        };
        let instance = self.take_up(record, started)?;
        instance.ok_or_else(|| RunnerError::NoMainProcess { units: self.units.join(", ") })
    }

    fn stop(&self, _instance: &Instance, grace: Duration) -> Result<(), RunnerError> {
        self.clear(grace)
    }

    fn clear(&self, grace: Duration) -> Result<(), RunnerError> {
        let (units, wait) = (stop_order(&self.units), self.kill_timeout);
        self.bus.ask(move |systemd| async move {
            for unit in &units {
                stop_unit(&systemd, unit, grace, wait).await?;
            }
            Ok(())
        })?;
        // What an updater without units has started, too.
        self.seat.clear(grace)
    }

    fn find(&self) -> Result<Option<Instance>, RunnerError> {
        if let Some(known) = self.seat.current().as_ref().filter(|known| known.is_alive()) {
            return Ok(Some(known.clone()));
        }
        let Some(record) = self.seat.read()?.filter(|record| !record.units.is_empty()) else {
            return Ok(None);
        };
        let states = self.states()?;
        let same = record.units.iter().all(|unit| {
            let now = states.iter().find(|(name, _)| *name == unit.name);
            now.is_some_and(|(_, state)| unit.amiss(state).is_none())
        });
        // systemd has started them again, or an administrator has. Which release that was is known
        // only where no link can have moved since.
        if !same && self.journal.exists() {
            return Ok(None);
        }
        let now = wall_clock();
        let record =
            if same { record } else { Record { mark: mark_of(now), started_at: now, ..record } };
        let mut started = Vec::new();
        for (unit, state) in states {
            let Ok(up) = Started::take(&unit, &state) else { return Ok(None) };
            started.push((up, state.main_pid));
        }
        self.take_up(record, started)
    }

    fn go_before(&self) -> Result<(), RunnerError> {
        self.files.add(&self.drop_ins())
    }

    fn hold_back(&self) -> Result<(), RunnerError> {
        let (units, wait) = (stop_order(&self.units), self.kill_timeout);
        self.bus.ask(move |systemd| async move {
            for unit in &units {
                // What waits to be started is down, and no longer waits when it has been stopped.
                if systemd.state(unit).await?.is_down() {
                    systemd.stop(unit, wait).await?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    fn withdraw(&self) -> Result<(), RunnerError> {
        self.files.bring_about(&BTreeMap::new(), || self.reload())
    }

    /// systemd does, from the first start after a boot on: that one may be the updater's to make.
    fn is_looked_after(&self) -> bool {
        let this_boot = |record: &Record| record.mark.starts_with(&boot());
        self.seat.read().ok().flatten().as_ref().is_some_and(this_boot)
    }

    fn output_tail(&self, instance: &Instance, lines: usize) -> Vec<String> {
        let mut tail = self.output_since(instance.started_at());
        tail.drain(..tail.len().saturating_sub(lines));
        tail
    }

    fn log(&self) -> &AgentLog {
        &self.log
    }
}

impl UnitsRunner {
    fn states(&self) -> Result<Vec<(String, UnitState)>, RunnerError> {
        let units = self.units.clone();
        let states = self.bus.ask(move |systemd| async move {
            let mut states = Vec::new();
            for unit in units {
                let state = systemd.state(&unit).await?;
                states.push((unit, state));
            }
            Ok(states)
        });
        Ok(states?)
    }

    /// What the services of the app have of the updater's, whatever the release.
    fn drop_ins(&self) -> BTreeMap<String, String> {
        let named = |unit: &String| {
            Some((environment::drop_in_name(unit)?, environment::drop_in(&self.variables)))
        };
        self.units.iter().filter_map(named).collect()
    }

    fn start_unit(
        &self,
        unit: &str,
        launch: &Launch,
        begun: OffsetDateTime,
    ) -> Result<(), RunnerError> {
        let (name, deadline) = (unit.to_owned(), self.start_timeout);
        let (result, state) = self.bus.ask(move |systemd| async move {
            systemd.reset_failed(&name).await?;
            let state = systemd.state(&name).await?;
            if state.unusable().is_some() {
                return Ok((None, state));
            }
            let result = match systemd.start(&name, deadline).await {
                Err(SystemdError::Late { .. }) => JobResult::Not("late".to_owned()),
                result => result?,
            };
            Ok((Some(result), systemd.state(&name).await?))
        })?;
        let how = match (result, state.unusable()) {
            (Some(JobResult::Done), _) => return Ok(()),
            (None, Some(why)) => {
                let (unit, shipped) = (unit.to_owned(), launch.units.contains_key(unit));
                return Err(RunnerError::UnusableUnit { unit, why, shipped });
            }
            (Some(JobResult::Not(word)), _) if word == "dependency" => {
                "was not started, since a unit that it needs failed".to_owned()
            }
            (Some(JobResult::Not(word)), _) if word == "late" => {
                format!("{} after {}", state.describe(), Period(deadline))
            }
            _ => state.describe(),
        };
        Err(self.failed(unit.to_owned(), how, begun))
    }

    /// The agent that these units are. None if no process of theirs is to be seen.
    fn take_up(
        &self,
        record: Record,
        started: Vec<(Started, u32)>,
    ) -> Result<Option<Instance>, RunnerError> {
        let leader = started.iter().find_map(|(_, pid)| ProcessId::of(*pid));
        let Some(leader) = leader else { return Ok(None) };
        let units: Vec<Started> = started.into_iter().map(|(unit, _)| unit).collect();
        let record = Record { leader: Some(leader.clone()), units: units.clone(), ..record };
        if self.seat.read()?.as_ref() != Some(&record) {
            self.seat.write(&record)?;
        }
        let ended = follow::ended(self.bus.clone(), units);
        let (instance, following) = Instance::follow_units(record, leader, ended);
        self.bus.spawn(following);
        self.seat.follow(instance.clone());
        Ok(Some(instance))
    }

    fn write_variables(&self, launch: &Launch) -> Result<(), RunnerError> {
        let mut variables = self.environment.clone();
        variables.extend(launch.release_variables());
        let text = environment::variables(&variables);
        write_durably(&self.variables, text.as_bytes()).map_err(|source| RunnerError::File {
            act: "write",
            path: self.variables.clone(),
            source,
        })
    }

    fn reload(&self) -> Result<(), RunnerError> {
        Ok(self.bus.ask(|systemd| async move { systemd.reload().await })?)
    }

    fn failed(&self, unit: String, how: String, since: OffsetDateTime) -> RunnerError {
        RunnerError::Unit { unit, how, output: self.output_since(since) }
    }

    fn output_since(&self, since: OffsetDateTime) -> Vec<String> {
        last_lines(&self.units, since, self.bus_timeout)
    }
}

/// What no other start of these units has, and none of another boot begins with.
fn mark_of(begun: OffsetDateTime) -> String {
    format!("{}{}", boot(), begun.unix_timestamp_nanos())
}

/// Which start of the machine this is, or of the container: its kernel is another one's.
fn boot() -> String {
    let init = proc::stat(1).map(|stat| stat.start_time).unwrap_or_default();
    format!("{}:{init}:", boot_id())
}

/// Stops a unit: what its own settings do not end within the grace is killed.
async fn stop_unit(
    systemd: &Systemd,
    unit: &str,
    grace: Duration,
    wait: Duration,
) -> Result<(), SystemdError> {
    match systemd.stop(unit, grace).await {
        Err(SystemdError::Late { .. }) => {}
        stopped => return stopped.map(drop),
    }
    systemd.kill(unit).await?;
    systemd.stop(unit, wait).await.map(drop)
}
