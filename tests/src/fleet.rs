//! A fleet as `swarm` makes it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{Host, Sandbox, Setup, Tree, program};

/// What a `swarm` command came to.
#[derive(Debug, Clone)]
pub struct Output {
    pub code: i32,
    /// What it printed for programs.
    pub stdout: String,
    /// What it printed for people.
    pub stderr: String,
}

/// A master's home, and hosts that are enrolled in it. Dropped, all of it is gone.
#[derive(Debug)]
pub struct Fleet {
    /// The hosts, in the order in which they were enrolled.
    pub hosts: Vec<Host>,
    // After the hosts: it ends what they started.
    sandbox: Arc<Sandbox>,
}

impl Fleet {
    /// `swarm init`, and nothing else.
    ///
    /// # Errors
    /// When it fails.
    pub fn new() -> Result<Self> {
        let fleet = Self { hosts: Vec::new(), sandbox: Arc::new(Sandbox::new()?) };
        fleet.swarm(["init"])?.good()?;
        Ok(fleet)
    }

    /// A fleet of `web-1` … `web-<count>`, whose updaters answer.
    ///
    /// # Errors
    /// When they do not.
    pub fn of(count: usize, setup: &Setup) -> Result<Self> {
        let mut fleet = Self::new()?;
        for number in 1..=count {
            fleet.enroll(&format!("web-{number}"), setup)?;
        }
        fleet.start()?;
        Ok(fleet)
    }

    /// Starts the updaters of all hosts, and waits until they answer.
    ///
    /// # Errors
    /// When they do not.
    pub fn start(&self) -> Result<()> {
        self.hosts.iter().try_for_each(|host| host.start_crashing(""))?;
        self.hosts.iter().try_for_each(Host::answers)
    }

    /// `swarm enroll --updater --out-dir`, and a configuration that uses what it wrote.
    ///
    /// # Errors
    /// When that fails.
    pub fn enroll(&mut self, name: &str, setup: &Setup) -> Result<&Host> {
        let addresses = (self.sandbox.free_port()?, self.sandbox.free_port()?);
        let directory = self.sandbox.path().join(name);
        let bundle = directory.join("bundle");
        std::fs::create_dir_all(&directory)?;
        let (ip, updater_port) = (addresses.0.ip().to_string(), addresses.0.port().to_string());
        let agent_port = addresses.1.port().to_string();
        let mut enroll = self.command(["enroll", "--updater", "--name", name, "--address", &ip])?;
        enroll.args(["--updater-port", &updater_port, "--agent-port", &agent_port]);
        enroll.arg("--out-dir").arg(&bundle);
        Output::of(&mut enroll)?.good()?;
        let (sandbox, identity) = (Arc::clone(&self.sandbox), bundle.join("updater"));
        let host = Host::new(name, sandbox, addresses, &identity, setup)?;
        self.hosts.push(host);
        self.hosts.last().context("it was just put there")
    }

    /// Runs `swarm` and waits for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn swarm<T: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = T>) -> Result<Output> {
        Output::of(&mut self.command(arguments)?)
    }

    /// `swarm update --all --root`, with these arguments besides.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn update(&self, tree: &Tree, arguments: &[&str]) -> Result<Output> {
        let mut command = self.command(["--json", "update", "--all", "--root"])?;
        Output::of(command.arg(tree.path()).args(arguments))
    }

    /// The command, for whoever wants to start it otherwise.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn command<T: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<Command> {
        let mut command = Command::new(program("swarm")?);
        command.arg("--home").arg(self.home()).args(arguments).stdin(Stdio::null());
        // It would be a part of the user's name.
        command.env_remove("SUDO_USER");
        Ok(command)
    }

    pub fn home(&self) -> PathBuf {
        self.sandbox.home()
    }

    /// Where the fleet lives.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl Output {
    /// Runs a command and waits for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn of(command: &mut Command) -> Result<Self> {
        let output = command.output().with_context(|| format!("run {command:?}"))?;
        Ok(Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Itself, if the command succeeded.
    ///
    /// # Errors
    /// When it did not; with all that it said.
    pub fn good(self) -> Result<Self> {
        ensure!(self.code == 0, "exit status {}\n{}\n{}", self.code, self.stdout, self.stderr);
        Ok(self)
    }

    /// Its output as one JSON document.
    ///
    /// # Errors
    /// When it is something else.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("read {self:?}"))
    }

    /// Its output as a JSON event a line.
    ///
    /// # Errors
    /// When a line is something else.
    pub fn lines(&self) -> Result<Vec<Value>> {
        let lines = self.stdout.lines();
        lines.map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }

    /// The last event, which has the rows.
    ///
    /// # Errors
    /// When it is no summary.
    pub fn summary(&self) -> Result<Value> {
        let last = self.lines()?.pop().with_context(|| format!("{self:?}"))?;
        ensure!(last["type"] == "rollout.summary", "the last event is {last}");
        Ok(last)
    }

    /// The row of this host in the summary.
    ///
    /// # Errors
    /// When there is none.
    pub fn row(&self, host: &str) -> Result<Value> {
        let summary = self.summary()?;
        let rows = summary["hosts"].as_array().context("rows")?;
        let row = rows.iter().find(|row| row["host"] == host);
        row.cloned().with_context(|| format!("no row of {host} in {summary}"))
    }
}
