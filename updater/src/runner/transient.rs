//! Starting an agent as a unit of its own, where systemd runs: it does not inherit what confines the
//! updater, nothing of it is in the updater's control group, and all of it dies together.
//!
//! The unit is made for one start and goes with it. From then on the agent is followed and ended as
//! any other: systemd does not start it again.

use std::path::Path;
use std::time::Duration;

use super::RunnerError;
use crate::config::{AppConfig, Strategy};
use crate::sys::spawn::Spawn;
use crate::systemd::{self, Bus, JobResult, SystemdError, command_properties, micros};

/// How agents of one app are started.
#[derive(Debug, Clone)]
pub(super) struct Transient {
    bus: Bus,
    app: String,
    start_timeout: Duration,
    stop_grace: Duration,
}

impl Transient {
    /// None where systemd does not run, cannot be told or would not obey, where the configuration forbids it, and
    /// where the updater has sockets to pass on, which systemd cannot.
    pub(super) fn for_app(config: &AppConfig, state: &Path) -> Result<Option<Self>, RunnerError> {
        let run = &config.run;
        let passes_on = run.strategy == Strategy::Handover || !run.sockets.is_empty();
        if !run.transient || passes_on || !systemd::makes_units() {
            return Ok(None);
        }
        let app = state.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Some(Self {
            bus: Bus::new(run.bus_timeout.0).map_err(SystemdError::Thread)?,
            app: app.unwrap_or_default(),
            start_timeout: run.start_timeout.0,
            stop_grace: run.stop_grace.0,
        }))
    }

    /// The name of the unit of one start.
    pub(super) fn unit(&self, mark: &str) -> String {
        let (short, _) = mark.split_once('-').unwrap_or((mark, ""));
        format!("updater-{}-{short}.service", self.app)
    }

    /// The control group that it will be in.
    pub(super) fn group(&self, mark: &str) -> String {
        format!("/system.slice/{}", self.unit(mark))
    }

    /// Starts it, and gives back the number of its first process. Its output goes to the log.
    pub(super) fn start(&self, mark: &str, spawn: &Spawn, log: &Path) -> Result<u32, RunnerError> {
        let unit = self.unit(mark);
        let log = log.display().to_string();
        let mut properties =
            command_properties(spawn, format!("The app {} of the updater", self.app));
        properties.extend([
            ("StandardOutputFileToAppend", log.clone().into()),
            ("StandardErrorFileToAppend", log.into()),
            ("TimeoutStopUSec", micros(self.stop_grace).into()),
        ]);
        let deadline = self.start_timeout;
        let name = unit.clone();
        let (result, state) = self.bus.ask_once(move |systemd| async move {
            let result = systemd.start_transient(&name, &properties, deadline).await?;
            Ok((result, systemd.state(&name).await?))
        })?;
        match result {
            JobResult::Done if state.main_pid != 0 => Ok(state.main_pid),
            _ => Err(RunnerError::Unit { unit, how: state.describe(), output: Vec::new() }),
        }
    }

    /// How a start has ended, in words: its first process is gone, and systemd will know in a moment.
    pub(super) fn how_it_ended(&self, mark: &str) -> Option<String> {
        let unit = self.unit(mark);
        let ended = self.bus.ask(move |systemd| async move {
            let state = systemd.ended(&unit).await?;
            // It is kept only for this question.
            systemd.reset_failed(&unit).await?;
            Ok(state.how_it_ended())
        });
        ended.ok().flatten()
    }
}
