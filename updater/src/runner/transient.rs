//! Starting an agent as a unit of its own, where systemd runs: it does not inherit what confines the
//! updater, nothing of it is in the updater's control group, and all of it dies together.
//!
//! The unit is made for one start and goes with it: systemd does not start it again. It is ended by its
//! name, since systemd alone can stop what has not begun yet, or what forks faster than it can be looked at.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::failed_to;
use protocol::StopSignal;
use zbus::Fd;

use super::{Behaviour, Killed, RunnerError};
use crate::config::AppConfig;
use crate::sys::control_group::GroupLimits;
use crate::sys::spawn::Spawn;
use crate::systemd::{
    Bus, BusConnection, JobResult, Property, Systemd, SystemdError, command_properties,
    lasting_variables, micros,
};

/// What the name of an agent's unit begins with.
pub(super) const UNIT_PREFIX: &str = "updater-";

/// For a scope at most, over a connection that is open or not: an agent is started without one then, since
/// the way back does not wait for D-Bus.
const SCOPE_TIMEOUT: Duration = Duration::from_secs(10);

/// How agents of one app are started and ended.
#[derive(Debug, Clone)]
pub(super) struct Transient {
    /// Whether the next start is made a unit; one that was is ended as such all the same.
    pub(super) wanted: bool,
    bus: Bus,
    bus_for_scopes: Bus,
    app: String,
    /// The app's own directory, for a file that is there as long as one runs.
    state: PathBuf,
    limits: GroupLimits,
    start_timeout: Duration,
    stop_grace: Duration,
    kill_timeout: Duration,
}

impl Transient {
    /// None where systemd does not run, cannot be told or would not obey. It is not wanted where the
    /// configuration says so ([`RunConfig::wants_unit`](crate::config::RunConfig::wants_unit)).
    pub(super) fn for_app(
        config: &AppConfig,
        app: String,
        state: &Path,
        connection: &BusConnection,
    ) -> Option<Self> {
        let run = &config.run;
        connection.makes_units().then(|| Self {
            wanted: run.wants_unit(),
            limits: run.group_limits(),
            bus: connection.bus(run.bus_timeout.0),
            bus_for_scopes: connection.bus(run.bus_timeout.0.min(SCOPE_TIMEOUT)),
            app,
            state: state.to_owned(),
            start_timeout: run.start_timeout.0,
            stop_grace: run.stop_grace.0,
            kill_timeout: run.kill_timeout.0,
        })
    }

    /// The name of the unit of one start.
    pub(super) fn unit(&self, mark: &str) -> String {
        format!("{}.service", group_name(&self.app, mark))
    }

    /// The name of the scope of one start, which is the updater's child.
    pub(super) fn scope(&self, mark: &str) -> String {
        format!("{}.scope", group_name(&self.app, mark))
    }

    /// What its unit reads its variables from.
    fn variables(&self, mark: &str) -> PathBuf {
        self.state.join(format!("{}.env", group_name(&self.app, mark)))
    }

    /// The control group that it will be in.
    pub(super) fn group(&self, mark: &str) -> String {
        format!("/system.slice/{}", self.unit(mark))
    }

    /// Starts it, and gives back the number of its first process. It prints to `output`. After an error it
    /// is to be ended.
    pub(super) fn start(
        &self,
        mark: &str,
        spawn: &Spawn,
        behaviour: &Behaviour,
        output: File,
    ) -> Result<u32, RunnerError> {
        let unit = self.unit(mark);
        let path = self.variables(mark);
        let variables = lasting_variables(&path, &spawn.environment).map_err(|source| {
            RunnerError::File { act: "write the agent's variables to", path, source }
        })?;
        let streams = output.try_clone().map(|copy| [OwnedFd::from(output), copy.into()]);
        let streams = streams.map_err(RunnerError::Follow)?;
        let mut properties =
            command_properties(spawn, format!("The app {} of the updater", self.app));
        let names = ["StandardOutputFileDescriptor", "StandardErrorFileDescriptor"];
        properties.extend(names.into_iter().zip(streams.map(|stream| Fd::from(stream).into())));
        properties.extend([variables, ("TimeoutStopUSec", micros(self.stop_grace).into())]);
        properties.extend([
            ("KillSignal", behaviour.signal().as_raw().into()),
            ("KillMode", behaviour.unit_kill_mode().into()),
        ]);
        if let Some(file) = &behaviour.pid_file {
            let file = spawn.directory.join(file).display().to_string();
            properties.extend([("Type", "forking".into()), ("PIDFile", file.into())]);
        }
        properties.extend(self.limits());
        // How one ended that ended well is forgotten at once, unless the updater wants to know.
        properties.push(("AddRef", true.into()));
        let deadline = self.start_timeout;
        let name = unit.clone();
        let started = self.bus.ask_once(move |systemd| async move {
            let result = systemd.start_transient(&name, &properties, deadline).await?;
            Ok((result, systemd.state(&name).await?))
        });
        // It may run all the same, or be about to.
        let told = |error: &SystemdError| tracing::warn!("{unit} is ended: {}", failed_to(error));
        let (result, state) = started.inspect_err(told)?;
        match result {
            JobResult::Done if state.main_pid != 0 => Ok(state.main_pid),
            _ => Err(RunnerError::Unit { unit, how: state.describe(), output: Vec::new() }),
        }
    }

    /// Makes a scope around a process: it stays whose child it is, in a control group of its own.
    pub(super) fn start_scope(&self, mark: &str, pid: u32) -> Result<(), RunnerError> {
        let unit = self.scope(mark);
        let mut properties: Vec<Property<'static>> = vec![
            ("Description", format!("The app {} of the updater", self.app).into()),
            ("PIDs", vec![pid].into()),
            ("TimeoutStopUSec", micros(self.stop_grace).into()),
            // It is forgotten also where the kernel has ended some of it for want of memory.
            ("CollectMode", "inactive-or-failed".into()),
        ];
        properties.extend(self.limits());
        let (deadline, name) = (self.start_timeout.min(SCOPE_TIMEOUT), unit.clone());
        let result = self.bus_for_scopes.ask_once(move |systemd| async move {
            systemd.start_transient(&name, &properties, deadline).await
        })?;
        match result {
            JobResult::Done => Ok(()),
            JobResult::Not(how) => Err(RunnerError::Unit { unit, how, output: Vec::new() }),
        }
    }

    fn limits(&self) -> impl Iterator<Item = Property<'static>> {
        let limits = [("TasksMax", self.limits.tasks), ("MemoryMax", self.limits.memory)];
        limits.into_iter().filter_map(|(name, limit)| Some((name, limit?.into())))
    }

    /// Ends the unit of one start, whether it runs or is about to. When this returns, nothing of it is
    /// left, as far as systemd knows. Says whether it had to be killed.
    pub(super) fn end(
        &self,
        mark: &str,
        behaviour: &Behaviour,
        grace: Duration,
    ) -> Result<Option<Killed>, SystemdError> {
        let killed = self.end_unit(self.unit(mark), Some(behaviour.stop_signal), grace)?;
        let path = self.variables(mark);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("{} cannot be removed: {error}", path.display());
            }
            _ => {}
        }
        Ok(killed)
    }

    /// The same, of the unit of this name, which is asked by this signal.
    pub(super) fn end_unit(
        &self,
        unit: String,
        asked: Option<StopSignal>,
        grace: Duration,
    ) -> Result<Option<Killed>, SystemdError> {
        let wait = self.kill_timeout;
        self.bus.ask(move |systemd| async move {
            let was_killed = systemd.end(&unit, grace, wait).await?;
            systemd.reset_failed(&unit).await?;
            systemd.forget(&unit).await;
            Ok(was_killed.then_some(Killed { what: unit, asked, grace }))
        })
    }

    /// Keeps systemd from forgetting how a start ends that another updater has made. The bus is not waited for.
    pub(super) fn remember(&self, mark: &str) -> Result<(), SystemdError> {
        let (unit, bus) = (self.unit(mark), self.bus.clone());
        let remembering = async move {
            let unit = unit.as_str();
            let remember = |systemd: Systemd| async move {
                systemd.remember(unit).await;
                Ok(())
            };
            bus.ask_until_answered(unit, remember).await;
        };
        self.bus.spawn("the unit of an agent", remembering)
    }

    /// How a start has ended, in words: its first process is gone, and systemd will know in a moment.
    pub(super) fn how_it_ended(&self, mark: &str) -> Option<String> {
        let unit = self.unit(mark);
        let name = unit.clone();
        let ended = self.bus.ask(move |systemd| async move {
            let state = systemd.ended(&unit).await?;
            // It is kept only for this question.
            systemd.reset_failed(&unit).await?;
            systemd.forget(&unit).await;
            Ok(state.how_it_ended())
        });
        let untold = |error: &SystemdError| {
            tracing::warn!("how {name} ended is not known: {}", failed_to(error));
        };
        ended.inspect_err(untold).ok().flatten()
    }

    /// That a start has ended already.
    pub(super) fn has_ended(&self, mark: &str) -> RunnerError {
        let how = self.how_it_ended(mark).unwrap_or_else(|| "ended".to_owned());
        RunnerError::Unit { unit: self.unit(mark), how, output: Vec::new() }
    }
}

/// What the control group of a start is called. Every user can read it, so the whole mark is not in it.
pub(super) fn group_name(app: &str, mark: &str) -> String {
    let (short, _) = mark.split_once('-').unwrap_or((mark, ""));
    format!("{UNIT_PREFIX}{app}-{short}")
}
