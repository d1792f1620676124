//! Running a build's command in a unit of its own, where systemd runs: as the app's user, with no
//! capabilities, a file system that is read-only but for what it builds, and within its bounds.
//!
//! Nothing of it is left when the unit is gone: systemd ends all that is in its control group.

use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nix::unistd::Uid;
use rustix::process::Signal;
use zbus::Fd;

use crate::sys::run::{Job, RunError};
use crate::sys::spawn::Spawn;
use crate::systemd::{
    self, Bus, JobResult, Property, SystemdError, UnitState, command_properties, micros,
};

/// What a build has no business with.
const FORBIDDEN: [&str; 10] = [
    "NoNewPrivileges",
    "PrivateDevices",
    "PrivateTmp",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "LockPersonality",
];
/// How long the parts of a build may take to be gone once they were killed.
const KILL_WAIT: Duration = Duration::from_secs(10);

/// How the builds of one app are confined.
#[derive(Debug, Clone)]
pub struct BuildUnits {
    bus: Bus,
    app: String,
    /// Directories that a build cannot even see into.
    pub(super) hidden: Vec<PathBuf>,
    start_timeout: Duration,
}

/// What a command in a unit may use, besides what its [`Spawn`] says.
pub(super) struct Confinement<'a> {
    pub(super) writable: &'a [&'a std::path::Path],
    pub(super) timeout: Duration,
    /// Bytes of memory, of all its processes together.
    pub(super) memory: Option<u64>,
}

/// A command that runs in a unit.
pub(super) struct Building {
    units: BuildUnits,
    unit: String,
    /// Something is to be read here when it has ended.
    ended: PipeReader,
    state: Arc<OnceLock<UnitState>>,
}

impl BuildUnits {
    /// None where systemd does not run, or would not obey.
    pub fn new(
        app: &str,
        hidden: Vec<PathBuf>,
        start_timeout: Duration,
        bus_timeout: Duration,
    ) -> io::Result<Option<Self>> {
        if !systemd::is_running() || !Uid::effective().is_root() {
            return Ok(None);
        }
        let bus = Bus::new(bus_timeout)?;
        Ok(Some(Self { bus, app: app.to_owned(), hidden, start_timeout }))
    }

    /// Ends what an updater that was killed has left of its builds.
    pub fn end_leftovers(&self) -> Result<(), SystemdError> {
        let pattern = self.name("*");
        self.bus.ask(move |systemd| async move {
            for unit in systemd.units_like(&pattern).await? {
                systemd.kill(&unit).await?;
                systemd.stop(&unit, KILL_WAIT).await?;
                systemd.reset_failed(&unit).await?;
            }
            Ok(())
        })
    }

    /// Starts a command, with its output going to `output`.
    pub(super) fn start(
        &self,
        spawn: &Spawn,
        confinement: &Confinement<'_>,
        output: &PipeWriter,
    ) -> Result<Building, RunError> {
        let unit = self.name(&uuid::Uuid::now_v7().simple().to_string());
        let output = output.try_clone().map_err(RunError::Follow)?;
        let properties = self.properties(spawn, confinement);
        let (name, deadline) = (unit.clone(), self.start_timeout);
        let started = self.bus.ask_once(move |systemd| async move {
            let mut properties = properties;
            for stream in ["StandardOutputFileDescriptor", "StandardErrorFileDescriptor"] {
                properties.push((stream, Fd::from(output.as_fd()).into()));
            }
            match systemd.start_transient(&name, &properties, deadline).await? {
                JobResult::Done => Ok(None),
                JobResult::Not(_) => {
                    let state = systemd.state(&name).await?;
                    Ok((!state.has_run()).then(|| state.describe()))
                }
            }
        });
        match started.map_err(|error| RunError::Follow(io::Error::other(error)))? {
            None => self.follow(unit),
            Some(how) => {
                let text = format!("{unit} {how}");
                Err(RunError::Follow(io::Error::other(text)))
            }
        }
    }

    fn follow(&self, unit: String) -> Result<Building, RunError> {
        let (ended, mut end) = io::pipe().map_err(RunError::Follow)?;
        let state = Arc::new(OnceLock::new());
        let (told, bus, name) = (Arc::clone(&state), self.bus.clone(), unit.clone());
        self.bus.spawn(async move {
            // Where systemd is out of reach, the build's own bounds end the wait.
            if let Ok(systemd) = bus.connect().await
                && let Ok(last) = systemd.until_ended(&name).await
            {
                let _ = told.set(last);
                let _ = systemd.reset_failed(&name).await;
                let _ = end.write_all(b"\n");
            }
        });
        Ok(Building { units: self.clone(), unit, ended, state })
    }

    /// A dot, which no app has in its name: one app's builds must not look like another's.
    fn name(&self, which: &str) -> String {
        format!("updater-build-{}.{which}.service", self.app)
    }

    fn properties(&self, spawn: &Spawn, confinement: &Confinement<'_>) -> Vec<Property<'static>> {
        let writable: Vec<_> =
            confinement.writable.iter().map(|path| path.display().to_string()).collect();
        // A minus sign: one that is not there cannot be seen into either.
        let hidden: Vec<_> =
            self.hidden.iter().map(|path| format!("-{}", path.display())).collect();
        let description = format!("A build of the updater's app {}", self.app);
        let mut properties = command_properties(spawn, description);
        properties.extend([
            ("KillSignal", Signal::KILL.as_raw().into()),
            ("CapabilityBoundingSet", 0_u64.into()),
            ("AmbientCapabilities", 0_u64.into()),
            ("ProtectSystem", "strict".into()),
            ("ProtectHome", "read-only".into()),
            ("ProtectProc", "invisible".into()),
            ("ReadWritePaths", writable.into()),
            ("InaccessiblePaths", hidden.into()),
            ("PrivateNetwork", spawn.no_network.into()),
            // For a build whose updater is gone; else the updater ends it.
            ("RuntimeMaxUSec", micros(confinement.timeout + KILL_WAIT).into()),
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
        properties
    }
}

impl Job for Building {
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
            systemd.kill(&unit).await?;
            systemd.stop(&unit, KILL_WAIT).await?;
            systemd.reset_failed(&unit).await
        });
        killed.map_err(|_| self.unit.clone())
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if self.state.get().is_none() {
            let _ = self.kill();
        }
    }
}
