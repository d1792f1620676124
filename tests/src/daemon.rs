//! One `updater run`, as a person would start it.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sys::CRASH_AT;

use crate::faults::CallInterceptor;
use crate::{LONG, eventually, processes_of, program};

/// What the updater has of our environment: its own is not what is tested.
const PASSED_ON: [&str; 4] = ["PATH", "HOME", "LANG", "UPDATER_LOG"];

/// The process and its log.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    config: PathBuf,
}

impl Daemon {
    /// Starts it. `crash_at` are the checkpoints at which one updater after the other dies.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(config: &Path, log: &Path, crash_at: &str) -> Result<Self> {
        Self::start_with(config, log, &[(CRASH_AT, crash_at)])
    }

    /// Starts it with these variables in its environment; those without a value are left out.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_with(config: &Path, log: &Path, variables: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(program("updater")?);
        command.stdin(Stdio::null());
        Self::start_by(command, config, log, variables)
    }

    /// Starts it as a user without privileges, who must own all that it needs.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_as(user: u32, config: &Path, log: &Path) -> Result<Self> {
        // What was built may be where only root can go.
        let copy = config.with_file_name("updater-program");
        std::fs::copy(program("updater")?, &copy)?;
        let mut command = Command::new(copy);
        command.uid(user).gid(user).stdin(Stdio::null());
        Self::start_by(command, config, log, &[])
    }

    /// Starts it under the eyes of `interceptor`.
    ///
    /// # Errors
    /// When it cannot be started, or the kernel knows no filter that asks.
    pub fn start_intercepted(
        config: &Path,
        log: &Path,
        interceptor: &CallInterceptor,
    ) -> Result<Self> {
        let (command, socket) = interceptor.wrap(&program("updater")?)?;
        let started = Self::start_by(command, config, log, &[])?;
        interceptor.listen(&socket)?;
        Ok(started)
    }

    fn start_by(
        mut command: Command,
        config: &Path,
        log: &Path,
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        command.arg("run").arg("--config").arg(config);
        command.env_clear();
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(variables.iter().filter(|(_, value)| !value.is_empty()).copied());
        command.stdout(log.try_clone()?).stderr(log).process_group(0);
        let child = command.spawn().context("start the updater")?;
        Ok(Self { child, config: config.to_owned() })
    }

    /// Its processes: the parent, and the updaters that it started. Not the keeper of a build, whose
    /// command line is the updater's.
    pub fn processes(&self) -> Vec<Pid> {
        processes_of(&self.config)
            .into_iter()
            .filter(|pid| {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                line.windows(8).any(|window| window == b"--config") && name != "build-keeper\n"
            })
            .collect()
    }

    /// A power cut, as far as the updater can tell: no part of it lives on. Its agents do.
    ///
    /// # Errors
    /// When something of it does not go away.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        let mut killed = BTreeSet::new();
        eventually("the updater to be gone", LONG, || {
            let left = self.processes();
            for pid in &left {
                let _ = kill(*pid, Signal::SIGKILL);
            }
            killed.extend(left.iter().map(|pid| pid.as_raw()));
            (left.is_empty() && killed.iter().all(|pid| has_ended(*pid))).then_some(())
        })
    }

    /// Asks it to end, as an init system does, and waits until it has.
    ///
    /// # Errors
    /// When something of it does not go away.
    pub fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        self.child.wait()?;
        eventually("the updater to be gone", LONG, || self.processes().is_empty().then_some(()))
    }
}

/// Whether a process has closed what it had open: its command line is gone a little before.
fn has_ended(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| Some(stat.rsplit_once(") ")?.1.starts_with(['Z', 'X'])))
        .unwrap_or(true)
}
