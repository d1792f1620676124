//! Orders to several units at once, and looks at them: what the runners of units have in common.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::Period;
use time::OffsetDateTime;

use super::of_release::NamedUnits;
use super::order::stop_order;
use super::shipped::{is_among, kept_units};
use super::{Started, follow, none_stays};
use crate::config::RunConfig;
use crate::runner::instance_slot::InstanceSlot;
use crate::runner::record::Record;
use crate::runner::{Instance, Killed, Launch, RunnerError, stop};
use crate::sys::excerpt::Excerpt;
use crate::sys::process::{ProcessId, boot_id};
use crate::sys::{proc, wall_clock};
use crate::systemd::{
    Bus, BusConnection, JobResult, JournalRuns, Load, SystemdError, UnitState, read_journal,
};

/// How long before a start its units' files were read, at most.
const READ_BEFORE: Duration = Duration::from_secs(10);

/// Gives orders to systemd, and waits for what comes of them.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) bus: Bus,
    start_timeout: Duration,
    bus_timeout: Duration,
    kill_timeout: Duration,
}

impl Control {
    pub(super) fn new(config: &RunConfig, connection: &BusConnection) -> Self {
        Self {
            bus: connection.bus(config.bus_timeout.0),
            start_timeout: config.start_timeout.0,
            bus_timeout: config.bus_timeout.0,
            kill_timeout: config.kill_timeout.0,
        }
    }

    /// Looks for what would keep these units from being started for a release that ships these files.
    /// `running` are those that run for the release before.
    pub(super) fn check(
        &self,
        named: &NamedUnits,
        units: &[String],
        shipped: &BTreeMap<String, String>,
        running: &[String],
    ) -> Result<(), RunnerError> {
        let unusable =
            |unit: String, why| Err(RunnerError::UnusableUnit { unit, why, shipped: false });
        // The host may have taken it when it was sent, and not any more.
        if let Some(unit) = shipped.keys().find(|unit| !named.unit_files.contains(unit)) {
            let why = "is of the release, and `unit_files` does not name it".to_owned();
            return unusable(unit.clone(), why);
        }
        // One that runs, and whose file was taken away by something else, is missed all the same.
        let (left_out, states): (Vec<_>, Vec<_>) =
            self.states(units)?.into_iter().partition(|(unit, state)| {
                named.is_of_another_release(unit, state, shipped) && !running.contains(unit)
            });
        if !states.iter().any(|(unit, _)| unit.ends_with(".service"))
            && let Some((unit, state)) = left_out.into_iter().next()
        {
            return unusable(unit, state.unusable().unwrap_or_default());
        }
        let known = states.iter().map(|(unit, state)| (unit.as_str(), state));
        if let Some(why) = none_stays(known).filter(|_| shipped.is_empty()) {
            return unusable(units.join(", "), why);
        }
        for (unit, state) in states {
            // One without a file, or with a bad one, is mended by the file that is shipped.
            let mended = is_among(shipped.keys(), &unit) && state.load != Load::Masked;
            if let Some(why) = state.unusable().filter(|_| !mended) {
                return unusable(unit, why);
            }
        }
        Ok(())
    }

    /// Those that a timer among the units starts, and that do their work and end: to start such a one would be to
    /// do its work at each update.
    fn left_to_timers(&self, units: &[String]) -> Result<Vec<String>, RunnerError> {
        let is_timer =
            |unit: &&String| unit.rsplit_once('.').is_some_and(|(_, kind)| kind == "timer");
        let timers: Vec<_> = units.iter().filter(is_timer).cloned().collect();
        if timers.is_empty() {
            return Ok(Vec::new());
        }
        let (states, triggered) = (
            self.states(units)?,
            self.bus.ask(move |systemd| async move {
                let mut triggered = Vec::new();
                for timer in &timers {
                    triggered.extend(systemd.activation(timer).await?.triggers);
                }
                Ok(triggered)
            })?,
        );
        let left = states
            .into_iter()
            .filter(|(unit, state)| state.is_oneshot() && triggered.contains(unit));
        Ok(left.map(|(unit, _)| unit).collect())
    }

    /// How units stand, in their order.
    pub(super) fn states(&self, units: &[String]) -> Result<Vec<(String, UnitState)>, RunnerError> {
        let units = units.to_vec();
        Ok(self.bus.ask(move |systemd| async move { systemd.states(units).await })?)
    }

    /// The main process of the first of these units that is up and has one.
    pub(super) fn main_process(&self, units: &[String]) -> Option<u32> {
        let states = self.states(units).ok()?;
        let mut up = states.into_iter().filter(|(_, state)| state.is_active());
        up.find_map(|(_, state)| Some(state.main_pid).filter(|pid| *pid != 0))
    }

    /// Starts units of a release, one after the other, and takes them for the agent of a place. What
    /// `record` says of them is written there.
    pub(super) fn start(
        &self,
        seat: &InstanceSlot,
        units: &[String],
        launch: &Launch,
        record: Record,
    ) -> Result<Instance, RunnerError> {
        let begun = record.started_at;
        let failed =
            |unit, how| RunnerError::Unit { unit, how, output: self.shown_output(units, begun) };
        let left = self.left_to_timers(units)?;
        for unit in units.iter().filter(|unit| !left.contains(unit)) {
            match self.start_unit(unit)? {
                Start::Done => {}
                Start::Unusable(why) => {
                    let shipped = is_among(kept_units(&launch.release_path)?.keys(), unit);
                    let why = self.with_line(unit, &why, begun);
                    return Err(RunnerError::UnusableUnit { unit: unit.clone(), why, shipped });
                }
                Start::Failed(how) => return Err(failed(unit.clone(), how)),
            }
        }
        let mut started = Vec::new();
        for (unit, state) in self.states(units)? {
            let up = Started::take(&unit, &state).and_then(|up| {
                let restarted = up.restarted();
                if restarted { Err("was started again by systemd".to_owned()) } else { Ok(up) }
            });
            match up {
                Ok(up) => started.push((up, state.main_pid)),
                Err(how) => return Err(failed(unit, how)),
            }
        }
        let instance = self.take_up(seat, record, started)?;
        instance.ok_or_else(|| RunnerError::NoMainProcess { units: units.join(", ") })
    }

    /// Tells units to read their configuration again, one after the other.
    pub(super) fn reload_units(&self, units: &[String]) -> Result<(), RunnerError> {
        let begun = wall_clock();
        let failed =
            |unit, how| RunnerError::Reload { unit, how, output: self.shown_output(units, begun) };
        let (states, deadline) = (self.states(units)?, self.start_timeout);
        for (unit, _) in states.into_iter().filter(|(_, state)| state.can_reload) {
            let name = unit.clone();
            let reloaded = self
                .bus
                .ask_once(move |systemd| async move { systemd.reload_unit(&name, deadline).await });
            match reloaded {
                Ok(JobResult::Done) => {}
                Ok(JobResult::Not(word)) => return Err(failed(unit, format!("did not ({word})"))),
                Err(SystemdError::Late { .. }) => {
                    return Err(failed(unit, format!("has not within {}", Period(deadline))));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes units of a start that were told to follow another release for its agent. `record` is what is written
    /// down of that.
    pub(super) fn take_reloaded(
        &self,
        seat: &InstanceSlot,
        units: &[String],
        record: Record,
    ) -> Result<Instance, RunnerError> {
        let begun = record.started_at;
        let failed =
            |unit, how| RunnerError::Reload { unit, how, output: self.shown_output(units, begun) };
        let mut started = Vec::new();
        for (unit, state) in self.states(units)? {
            let up = Started::take(&unit, &state).map_err(|how| failed(unit, how))?;
            started.push((up, state.main_pid));
        }
        let instance = self.take_up(seat, record, started)?;
        instance.ok_or_else(|| RunnerError::NoMainProcess { units: units.join(", ") })
    }

    /// Stops what something else has started since the release before was stopped: an administrator, a timer, a
    /// tool that keeps units running. It may be that release, and to start it would change nothing.
    pub(super) fn end_strays(&self, units: &[String]) -> Result<(), RunnerError> {
        let up = self.states(units)?.into_iter().filter(|(_, state)| !state.is_down());
        let up: Vec<String> = up.map(|(unit, _)| unit).collect();
        if !up.is_empty() {
            tracing::warn!("{} was started by something else, and is stopped", up.join(", "));
            self.stop(&up, self.kill_timeout)?;
        }
        Ok(())
    }

    /// Starts one unit, after whatever became of it before.
    pub(super) fn start_unit(&self, unit: &str) -> Result<Start, RunnerError> {
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
        Ok(match (result, state.unusable()) {
            (Some(JobResult::Done), _) => Start::Done,
            (None, Some(why)) => Start::Unusable(why),
            (Some(JobResult::Not(word)), _) if word == "dependency" => {
                Start::Failed("was not started, since a unit that it needs failed".to_owned())
            }
            (Some(JobResult::Not(word)), _) if word == "late" => {
                Start::Failed(format!("{} after {}", state.describe(), Period(deadline)))
            }
            _ => Start::Failed(state.describe()),
        })
    }

    /// Stops units, those first that would start others. What their own settings do not end within
    /// the grace is killed; says which those were. So is what they leave behind (`KillMode=process`): in the
    /// same control group it would count as the next release's.
    pub(super) fn stop(
        &self,
        units: &[String],
        grace: Duration,
    ) -> Result<Option<Killed>, RunnerError> {
        let own = |(_, state): (String, UnitState)| {
            let is_its = |group: &String| !state.id.is_empty() && group.ends_with(&state.id);
            Some(state.control_group).filter(is_its)
        };
        let groups = self.states(units)?.into_iter().filter_map(own).collect();
        let killed = self.stop_units(units, grace)?;
        stop::stop_groups(groups, self.kill_timeout)?;
        Ok(killed)
    }

    fn stop_units(&self, units: &[String], grace: Duration) -> Result<Option<Killed>, RunnerError> {
        let (units, wait) = (stop_order(units), self.kill_timeout);
        let killed = self.bus.ask(move |systemd| async move {
            let mut killed = Vec::new();
            for unit in &units {
                if systemd.end(unit, grace, wait).await? {
                    killed.push(unit.clone());
                }
            }
            Ok(killed)
        })?;
        let what = killed.join(", ");
        Ok((!what.is_empty()).then_some(Killed { what, asked: None, grace }))
    }

    /// Stops units, and forgets how they ended.
    pub(super) fn end(
        &self,
        units: &[String],
        grace: Duration,
    ) -> Result<Option<Killed>, RunnerError> {
        let killed = self.stop(units, grace)?;
        let units = units.to_vec();
        self.bus.ask(move |systemd| async move {
            for unit in &units {
                systemd.reset_failed(unit).await?;
            }
            Ok(())
        })?;
        Ok(killed)
    }

    /// Keeps units from being started that wait for it: they are down, and no longer wait when they
    /// have been stopped. While no service is up, what would start one again goes too.
    pub(super) fn prevent_boot_start(&self, units: &[String]) -> Result<(), RunnerError> {
        let states = self.states(units)?;
        let serves =
            states.iter().any(|(unit, state)| unit.ends_with(".service") && !state.is_down());
        let held = states.into_iter().filter(|(_, state)| !serves || state.is_down());
        let units: Vec<String> = held.map(|(unit, _)| unit).collect();
        self.stop(&units, self.kill_timeout)?;
        Ok(())
    }

    /// The agent that was written down, if these units still are what was started. If systemd or an
    /// administrator has started them anew since, they are the agent only where `adopt` says so.
    pub(super) fn find(
        &self,
        seat: &InstanceSlot,
        record: Record,
        units: &[String],
        adopt: bool,
    ) -> Result<Option<Instance>, RunnerError> {
        let states = self.states(units)?;
        let same = record.units.iter().all(|unit| {
            let now = states.iter().find(|(name, _)| *name == unit.name);
            now.is_some_and(|(_, state)| unit.amiss(state).is_none())
        });
        if !same && !adopt {
            return Ok(None);
        }
        let now = wall_clock();
        let record = if same {
            record
        } else {
            Record { mark: mark_of(now), started_at: now, reloaded: None, ..record }
        };
        let mut started = Vec::new();
        for (unit, state) in states {
            let Ok(up) = Started::take(&unit, &state) else { return Ok(None) };
            started.push((up, state.main_pid));
        }
        self.take_up(seat, record, started)
    }

    /// The agent that these units are. None if no process of theirs is to be seen.
    fn take_up(
        &self,
        seat: &InstanceSlot,
        record: Record,
        started: Vec<(Started, u32)>,
    ) -> Result<Option<Instance>, RunnerError> {
        let leader = started.iter().find_map(|(_, pid)| ProcessId::of(*pid));
        let Some(leader) = leader else { return Ok(None) };
        let units: Vec<Started> = started.into_iter().map(|(unit, _)| unit).collect();
        let record = Record { leader: Some(leader.clone()), units: units.clone(), ..record };
        if seat.read()?.as_ref() != Some(&record) {
            seat.write(&record)?;
        }
        let ended = follow::ended(self.bus.clone(), units);
        let (instance, following) = Instance::follow_units(record, leader, ended);
        self.bus.spawn("the watch over an agent's units", following)?;
        seat.follow(instance.clone());
        Ok(Some(instance))
    }

    /// systemd reads its unit files again.
    pub(super) fn reload(&self) -> Result<(), RunnerError> {
        Ok(self.bus.ask(|systemd| async move { systemd.reload().await })?)
    }

    /// Tells what units told the journal since then.
    pub(super) fn read_output(
        &self,
        units: &[String],
        since: OffsetDateTime,
        on_line: &mut dyn FnMut(&str),
    ) {
        read_journal(&self.known_as(units), since, self.bus_timeout, on_line);
    }

    /// The names of units as the journal knows them: by their own alone.
    pub(super) fn known_as(&self, units: &[String]) -> Vec<String> {
        let own = self.states(units).unwrap_or_default().into_iter().map(|(_, state)| state.id);
        let own: Vec<String> = own.filter(|id| !id.is_empty()).collect();
        if own.is_empty() { units.to_vec() } else { own }
    }

    /// What the journal has of units, run by run.
    pub(super) const fn journal_runs(&self) -> JournalRuns {
        JournalRuns { timeout: self.bus_timeout }
    }

    /// Why a unit's file cannot be used, with the line that systemd complained of when it read it.
    fn with_line(&self, unit: &str, why: &str, since: OffsetDateTime) -> String {
        let mut complaint = None;
        self.read_output(&[unit.to_owned()], since - READ_BEFORE, &mut |line| {
            if is_of_a_line(line, unit) {
                complaint = Some(line.to_owned());
            }
        });
        complaint.map_or(why.to_owned(), |complaint| format!("{why}: {complaint}"))
    }

    /// What is shown of it.
    fn shown_output(&self, units: &[String], since: OffsetDateTime) -> Vec<String> {
        let mut output = Excerpt::default();
        self.read_output(units, since, &mut |line| output.push(line));
        output.shown()
    }
}

/// Whether systemd complains of a line of a unit's file: `/etc/systemd/system/a.service:3: Unknown …`.
fn is_of_a_line(line: &str, unit: &str) -> bool {
    let rest = line.split_once(&format!("/{unit}:")).map(|(_, rest)| rest);
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// What became of the start of a unit.
pub(super) enum Start {
    Done,
    /// systemd cannot start it at all; why, in words that follow its name.
    Unusable(String),
    /// It is not up; likewise.
    Failed(String),
}

/// What no other start of these units has, and none of another boot begins with.
pub(in crate::runner) fn mark_of(begun: OffsetDateTime) -> String {
    format!("{}{}", boot(), begun.unix_timestamp_nanos())
}

/// Whether what is written down was started since the machine was.
pub(super) fn is_of_this_boot(record: &Record) -> bool {
    record.mark.starts_with(&boot())
}

/// Which start of the machine this is, or of the container: its kernel is another one's.
fn boot() -> String {
    let init = proc::stat(1).map(|stat| stat.start_time).unwrap_or_default();
    format!("{}:{init}:", boot_id())
}
