//! Real agents for tests: scripts that can tell the test that they are up.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::Digest;
use tempfile::TempDir;

use super::{Behaviour, ExitReport, Instance, Launch, Runner, RunnerResources, for_app};
use crate::config::{AppConfig, RunConfig};
use crate::sys::process::ProcessId;

/// The release of every app here.
pub(crate) const DIGEST: Digest = Digest::from_bytes([7; 32]);

/// An app whose agent is a script, and which can tell the test that it is up.
pub(crate) struct App {
    directory: TempDir,
    listener: UnixListener,
    control_groups: bool,
    pub(crate) runner: Box<dyn Runner>,
}

impl App {
    pub(crate) fn new() -> Self {
        Self::made(true, |_| {})
    }

    pub(crate) fn with_log_bytes(bytes: u64) -> Self {
        Self::made(true, |run| run.log_bytes = protocol::Bytes(bytes))
    }

    /// Without control groups its agents have their keepers alone.
    pub(crate) fn with_control_groups(control_groups: bool) -> Self {
        Self::made(control_groups, |_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut RunConfig)) -> Self {
        Self::made(true, change)
    }

    fn made(control_groups: bool, change: impl FnOnce(&mut RunConfig)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
        let runner = runner(directory.path(), control_groups, change);
        let app = Self { directory, listener, control_groups, runner };
        fs::create_dir_all(app.release()).unwrap();
        app
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The directory of its one release.
    pub(crate) fn release(&self) -> PathBuf {
        self.path("install/releases/store").join(DIGEST.hex())
    }

    pub(crate) fn launch(&self, script: &str) -> Launch {
        let file = self.release().join("agent");
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        Launch {
            release_path: self.release(),
            digest: DIGEST,
            version: Some("1.2".to_owned()),
            command: vec!["./agent".to_owned()],
            environment: BTreeMap::new(),
            behaviour: Behaviour::default(),
        }
    }

    /// A Python program that connects to the test and then runs `rest`.
    pub(crate) fn python(&self, rest: &str) -> Launch {
        self.launch(&format!(
            "#!/usr/bin/env python3\nimport os, signal, socket, subprocess, sys, time\n\
             def connect():\n    s = socket.socket(socket.AF_UNIX)\n    s.connect({:?})\n    \
             os.set_inheritable(s.fileno(), True)\n    return s\n{rest}\n",
            self.path("socket"),
        ))
    }

    pub(crate) fn accept(&self) -> UnixStream {
        self.listener.accept().unwrap().0
    }

    /// What is written down of the start.
    pub(crate) fn record(&self) -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(self.path("instance.json")).unwrap()).unwrap()
    }

    pub(crate) fn another_updater(&self) -> Box<dyn Runner> {
        self.another_updater_with(|_| {})
    }

    pub(crate) fn another_updater_with(
        &self,
        change: impl FnOnce(&mut RunConfig),
    ) -> Box<dyn Runner> {
        runner(self.directory.path(), self.control_groups, change)
    }

    /// The process that writes its log, as it is written down.
    pub(crate) fn log_writer(&self) -> ProcessId {
        serde_json::from_value(self.record()["log"]["writer"].clone()).unwrap()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.another_updater().clear(Duration::ZERO);
    }
}

fn runner(
    directory: &Path,
    control_groups: bool,
    change: impl FnOnce(&mut RunConfig),
) -> Box<dyn Runner> {
    let mut config = AppConfig::new(directory.join("install"));
    // Tests must not make units of the machine that they run on.
    config.run.transient = false;
    config.run.log_bytes = protocol::Bytes(16 << 20);
    config.run.start_timeout = protocol::Period(Duration::from_secs(3));
    change(&mut config.run);
    let program = built_updater();
    let resources = RunnerResources { program, control_groups, ..RunnerResources::default() };
    for_app(&config, directory, &resources)
}

/// The program that is built beside the tests.
fn built_updater() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.ancestors().nth(2).unwrap().join("updater")
}

pub(crate) fn exit_of(instance: &Instance) -> ExitReport {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(instance.exited())
}

/// The other end is closed when no process holds it any more.
pub(crate) fn all_gone(mut connection: UnixStream) {
    connection.read_to_end(&mut Vec::new()).unwrap();
}
