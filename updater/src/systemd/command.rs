//! Running a command to its end in a unit of its own, where systemd runs: as its user, with no
//! capabilities, and within its bounds. What else confines it, the caller says.
//!
//! Nothing of it is left when the unit is gone: systemd ends all that is in its control group.

use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::failed_to;
use rustix::process::Signal;
use tokio::sync::oneshot;
use zbus::Fd;

use super::exec::{command_properties, micros};
use super::{Bus, JobResult, Property, Systemd, SystemdError, UnitState, Variables};
use crate::sys::bounds::CommandBounds;
use crate::sys::job::{Job, KILL_WAIT, RunError};
use crate::sys::run::{Finished, run_job};
use crate::sys::spawn::Spawn;

/// What no release's command has any business with.
const FORBIDDEN: [&str; 9] = [
    "NoNewPrivileges",
    "PrivateDevices",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "LockPersonality",
];

/// Units that are made for the commands of one kind, of one app.
#[derive(Debug, Clone)]
pub struct CommandUnits {
    bus: Bus,
    kind: &'static str,
    app: String,
    /// The app's own directory, for a file that is there while one starts.
    state: PathBuf,
    /// Files and directories that a command cannot even see into.
    hidden: Vec<PathBuf>,
    start_timeout: Duration,
}

/// What a command in a unit may use, besides what its [`Spawn`] says.
pub(crate) struct Confinement {
    /// Bytes of memory, of all its processes together.
    pub(crate) memory: Option<u64>,
    /// What else confines it.
    pub(crate) more: Vec<Property<'static>>,
}

/// A command that runs in a unit.
struct Running {
    units: CommandUnits,
    unit: String,
    /// Something is to be read here when it has ended.
    ended: PipeReader,
    state: Arc<OnceLock<UnitState>>,
    /// Dropped, the task that waits for the end ends.
    _waits: oneshot::Sender<()>,
}

impl CommandUnits {
    /// For the commands of a kind, `build` or `hook`, of an app with this state directory.
    pub fn new(
        bus: Bus,
        kind: &'static str,
        app: &str,
        state: &Path,
        hidden: Vec<PathBuf>,
        start_timeout: Duration,
    ) -> Self {
        let (app, state) = (app.to_owned(), state.to_owned());
        Self { bus, kind, app, state, hidden, start_timeout }
    }

    /// Ends what an updater that was killed has left of them.
    pub fn end_leftovers(&self) -> Result<(), SystemdError> {
        let pattern = self.name("*");
        self.bus.ask(move |systemd| async move {
            for unit in systemd.units_like(&pattern).await? {
                systemd.end(&unit, Duration::ZERO, KILL_WAIT).await?;
                systemd.reset_failed(&unit).await?;
            }
            Ok(())
        })
    }

    /// Runs a command within its bounds. Blocks.
    pub(crate) fn run(
        &self,
        spawn: &Spawn,
        confinement: Confinement,
        bounds: CommandBounds<'_>,
        on_line: impl FnMut(&str),
    ) -> Result<Finished, RunError> {
        let mut properties = self.properties(spawn, confinement, bounds.timeout);
        let start = move |output| {
            // Read when the command is executed, and gone after that.
            let variables = Variables::write(&self.state, &spawn.environment);
            let variables = variables.map_err(RunError::Follow)?;
            properties.push(variables.property());
            self.start(properties, output)
        };
        run_job(start, bounds, on_line)
    }

    /// Starts a unit. After an error nothing of it runs or will, or what does is named.
    fn start(
        &self,
        properties: Vec<Property<'static>>,
        output: PipeWriter,
    ) -> Result<Running, RunError> {
        let unit = self.name(&uuid::Uuid::now_v7().simple().to_string());
        // Before the order: after it, nothing may be in the way of ending what it started.
        let (ended, end) = io::pipe().map_err(RunError::Follow)?;
        let (name, deadline) = (unit.clone(), self.start_timeout);
        let ordered = self.bus.ask_once(move |systemd| async move {
            Ok(order(&systemd, &name, properties, output, deadline).await)
        });
        let ordered = ordered.map_err(|error| RunError::Follow(io::Error::other(error)))?;
        let (waits, unwanted) = oneshot::channel();
        let state = Arc::new(OnceLock::new());
        let mut running = Running { units: self.clone(), unit, ended, state, _waits: waits };
        let followed = ordered.and_then(|stands| match stands {
            None => running.follow(end, unwanted).map(|()| None),
            Some(how) => Ok(Some(how)),
        });
        let error = match followed {
            Ok(None) => return Ok(running),
            Ok(Some(how)) => io::Error::other(format!("{} {how}", running.unit)),
            Err(error) => {
                tracing::warn!("{} is ended: {}", running.unit, failed_to(&error));
                io::Error::other(error)
            }
        };
        // It may run all the same, or be about to.
        running.kill().map_err(|what| RunError::Stuck { what, output: Vec::new() })?;
        Err(RunError::Follow(error))
    }

    /// A dot, which no app has in its name: one app's units must not look like another's.
    fn name(&self, which: &str) -> String {
        format!("updater-{}-{}.{which}.service", self.kind, self.app)
    }

    fn properties(
        &self,
        spawn: &Spawn,
        confinement: Confinement,
        timeout: Duration,
    ) -> Vec<Property<'static>> {
        // A minus sign: one that is not there cannot be seen into either.
        let hidden: Vec<_> =
            self.hidden.iter().map(|path| format!("-{}", path.display())).collect();
        let description = format!("A {} of the updater's app {}", self.kind, self.app);
        let mut properties = command_properties(spawn, description);
        properties.extend([
            ("KillSignal", Signal::KILL.as_raw().into()),
            ("CapabilityBoundingSet", 0_u64.into()),
            ("AmbientCapabilities", 0_u64.into()),
            ("ProtectProc", "invisible".into()),
            ("InaccessiblePaths", hidden.into()),
            ("PrivateNetwork", spawn.no_network.into()),
            // For one whose updater is gone; else the updater ends it.
            ("RuntimeMaxUSec", micros(timeout + KILL_WAIT).into()),
        ]);
        properties.extend(FORBIDDEN.map(|name| (name, true.into())));
        let limits = [
            ("LimitAS", spawn.limits.address_space),
            ("LimitNPROC", spawn.limits.processes),
            ("LimitNOFILE", spawn.limits.open_files),
            ("LimitFSIZE", spawn.limits.file_bytes),
            ("TasksMax", spawn.limits.processes),
            ("MemoryMax", confinement.memory),
        ];
        properties
            .extend(limits.into_iter().filter_map(|(name, limit)| Some((name, limit?.into()))));
        properties.extend(confinement.more);
        properties
    }
}

/// Orders a unit, and waits until its command runs or has run. Else it says how the unit stands, in
/// words that follow its name.
async fn order(
    systemd: &Systemd,
    unit: &str,
    mut properties: Vec<Property<'static>>,
    output: PipeWriter,
    deadline: Duration,
) -> Result<Option<String>, SystemdError> {
    for stream in ["StandardOutputFileDescriptor", "StandardErrorFileDescriptor"] {
        properties.push((stream, Fd::from(output.as_fd()).into()));
    }
    match systemd.start_transient(unit, &properties, deadline).await? {
        JobResult::Done => Ok(None),
        JobResult::Not(_) => {
            let state = systemd.state(unit).await?;
            Ok((!state.has_run()).then(|| state.describe()))
        }
    }
}

/// Waits for the end of a unit. The bounds of the command end the wait where systemd stays out of reach.
async fn until_ended(bus: &Bus, unit: &str) -> (Systemd, UnitState) {
    let until_ended = |systemd: Systemd| async move {
        let last = systemd.until_ended(unit).await?;
        Ok((systemd, last))
    };
    bus.ask_until_answered(unit, until_ended).await
}

impl Running {
    /// Waits beside for its end, as long as this value is there.
    fn follow(
        &self,
        mut end: PipeWriter,
        unwanted: oneshot::Receiver<()>,
    ) -> Result<(), SystemdError> {
        let known = Arc::clone(&self.state);
        let (bus, name) = (self.units.bus.clone(), self.unit.clone());
        self.units.bus.spawn(format!("the watch over {name}"), async move {
            let (systemd, last) = tokio::select! {
                ended = until_ended(&bus, &name) => ended,
                _ = unwanted => return,
            };
            let _ = known.set(last);
            let _ = systemd.reset_failed(&name).await;
            let _ = end.write_all(b"\n");
        })
    }
}

impl Job for Running {
    fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    /// A unit that systemd has forgotten has ended well.
    fn status(&mut self) -> io::Result<ExitStatus> {
        let (code, number) = self.state.get().map_or((0, 0), |state| state.exit);
        let by_itself = code <= 1;
        Ok(ExitStatus::from_raw(if by_itself { number << 8 } else { number }))
    }

    fn kill(&mut self) -> Result<(), String> {
        let unit = self.unit.clone();
        let killed = self.units.bus.ask(move |systemd| async move {
            systemd.end(&unit, Duration::ZERO, KILL_WAIT).await?;
            systemd.reset_failed(&unit).await
        });
        killed.map_err(|_| self.unit.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.state.get().is_none() {
            let _ = self.kill();
        }
    }
}
