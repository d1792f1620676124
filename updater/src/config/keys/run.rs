//! `[app.<name>.run]`: how the agent is started, stopped and followed by the next release's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use protocol::{Bytes, Command, KillMode, Period, StopSignal};
use serde::Deserialize;

use super::section::{minutes, seconds};
use crate::config::ListenSocket;
use crate::sys::control_group::GroupLimits;

section! {
    /// `[app.<name>.run]`.
    pub struct RunConfig {
        /// What starts and stops the agent.
        pub kind: RunnerKind = RunnerKind::Process,
        /// The command, relative to the release; absent for what the release says, and empty for no process.
        #[serde(deserialize_with = "protocol::program_command")]
        pub command: Option<Command> = None,
        /// Units, for the `systemd` runner, in the order in which they are started.
        pub units: Vec<String> = Vec::new(),
        /// Where systemd runs, start a process as a unit of its own.
        pub transient: bool = true,
        /// Processes and threads that it may have together.
        pub tasks: Option<u64> = None,
        /// Bytes of memory that it may have together.
        pub memory: Option<Bytes> = None,
        /// Unit files that a release may ship.
        pub unit_files: Vec<String> = Vec::new(),
        /// How long a unit may take to start.
        pub start_timeout: Period = seconds(90),
        /// For one answer of systemd.
        pub bus_timeout: Period = seconds(30),
        /// How one release follows another.
        pub strategy: Strategy = Strategy::Restart,
        /// By what a process is told to follow a release, or units without `ExecReload=` are.
        pub reload: Option<Command> = None,
        /// Where it listens, if the updater opens that and passes it on.
        pub sockets: Vec<ListenSocket> = Vec::new(),
        /// What the agent's environment has besides the small standard one.
        pub env: BTreeMap<String, String> = BTreeMap::new(),
        /// The signal that asks the agent to end; absent for what the release says.
        pub stop_signal: Option<StopSignal> = None,
        /// Which of its processes get that signal; absent for what the release says.
        pub kill_mode: Option<KillMode> = None,
        /// Whether the command ends, and what it has put into the background stays; absent for what the release says.
        pub forks: Option<bool> = None,
        /// Where in the release the number stands of the process that stays; absent for what the release says.
        pub pid_file: Option<PathBuf> = None,
        /// How long the agent has between that signal and KILL.
        pub stop_grace: Period = seconds(10),
        /// How long a killed agent may take to be gone.
        pub kill_timeout: Period = seconds(10),
        /// As `stop_grace`, in a handover: how long the old agent may go on with what it has begun.
        pub drain_timeout: Period = seconds(30),
        /// The agent's log is rotated when it is larger than this.
        pub log_bytes: Bytes = Bytes(16 << 20),
        /// The first pause before a dead agent is started again; it doubles up to `backoff_max`.
        pub backoff: Period = seconds(1),
        /// The longest such pause.
        pub backoff_max: Period = minutes(1),
    }
}

impl From<Command> for RunConfig {
    fn from(command: Command) -> Self {
        Self { command: Some(command), ..Self::default() }
    }
}

impl RunConfig {
    /// Whether it says how every release is started, or that none is; else each release has to.
    pub const fn says_how(&self) -> bool {
        matches!(self.kind, RunnerKind::Systemd) || self.command.is_some()
    }

    /// Whether it says how every release is started: none of them is without a process.
    pub fn starts_each(&self) -> bool {
        self.kind == RunnerKind::Systemd
            || self.command.as_ref().is_some_and(|command| !command.0.is_empty())
    }

    /// Whether each start is wanted as a unit made for it: not where the updater has sockets to pass on,
    /// which systemd cannot.
    pub fn wants_unit(&self) -> bool {
        let passes_on = self.strategy == Strategy::Handover || !self.sockets.is_empty();
        self.kind == RunnerKind::Process && self.transient && !passes_on
    }

    /// What all of an agent may have together.
    pub fn group_limits(&self) -> GroupLimits {
        GroupLimits { tasks: self.tasks, memory: self.memory.map(|bytes| bytes.0) }
    }
}

/// What starts and stops the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunnerKind {
    /// The updater, which starts a process.
    Process,
    /// systemd, which starts units.
    Systemd,
}

/// How one release follows another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Stop the old one, start the new one.
    Restart,
    /// Start the new one beside the old one, on the same sockets.
    Handover,
    /// Tell what runs to read its configuration again: it goes on, and has new workers.
    Reload,
}
