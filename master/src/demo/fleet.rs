//! The demonstration's hosts: their directories, their updaters, and what is left of them.

use std::fs;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use explain::Explain;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// How long an updater may take to listen.
const START_DEADLINE: Duration = Duration::from_secs(20);
/// The ports are the usual ones: the addresses are the demonstration's own.
const UPDATER_PORT: u16 = 8766;
const AGENT_PORT: u16 = 8765;

/// Why the demonstration could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A program is missing beside this one.
    #[error("find {}, which has to lie beside swarm", .0.display())]
    NoUpdater(PathBuf),
    #[error("{what}")]
    Io { what: String, source: io::Error },
    /// An updater did not start.
    #[error("start the updater of {host} within {START_DEADLINE:?}; its log is {log}", log = log.display())]
    NotListening {
        host: String,
        /// Where it says why.
        log: PathBuf,
    },
    /// A step went otherwise than it is told.
    #[error("see what was to be seen: `{command}` ended with {got}, and {wanted} was expected")]
    Unexpected {
        command: String,
        got: String,
        /// How it should have.
        wanted: String,
    },
}

impl Explain for DemoError {}

/// One host, which is an address and two directories here.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) address: String,
    directory: PathBuf,
    updater: Option<Child>,
}

pub(super) struct Fleet {
    pub(super) root: PathBuf,
    pub(super) home: PathBuf,
    pub(super) swarm: PathBuf,
    /// What the addresses of all hosts begin with.
    pub(super) network: String,
    updater: PathBuf,
    pub(super) hosts: Vec<Host>,
}

impl Fleet {
    /// Three hosts under `root`. Nothing runs yet.
    pub(super) fn new(root: &Path) -> Result<Self, DemoError> {
        let swarm = std::env::current_exe().map_err(|source| io_error("find swarm", source))?;
        let updater = swarm.with_file_name("updater");
        if !updater.is_file() {
            return Err(DemoError::NoUpdater(updater));
        }
        // Another demonstration may run beside this one.
        let network = format!("127.71.{}", 1 + std::process::id() % 250);
        let hosts = (1..=3).map(|number| Host {
            name: format!("web-{number}"),
            address: format!("{network}.{number}"),
            directory: root.join(format!("web-{number}")),
            updater: None,
        });
        Ok(Self {
            home: root.join("master"),
            hosts: hosts.collect(),
            network,
            root: root.to_owned(),
            swarm,
            updater,
        })
    }

    /// Completes the configuration that `enroll` has written, and starts the host's updater.
    pub(super) fn start(&mut self, number: usize) -> Result<(), DemoError> {
        let (swarm, updater) = (self.swarm.clone(), self.updater.clone());
        let host = &mut self.hosts[number];
        host.configure(&swarm).map_err(|source| io_error("configure a host", source))?;
        let log = host.directory.join("updater.log");
        let file = fs::File::create(&log).map_err(|source| io_error("open a log", source))?;
        let errors = file.try_clone().map_err(|source| io_error("open a log", source))?;
        let child = Command::new(updater)
            .args(["run", "--config"])
            .arg(host.config())
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .process_group(0)
            .spawn();
        host.updater = Some(child.map_err(|source| io_error("start an updater", source))?);
        host.wait_for_updater(&log)
    }

    /// Ends everything that was started.
    pub(super) fn stop(&mut self) {
        for host in &mut self.hosts {
            host.stop();
        }
        self.stop_agents();
    }

    /// Agents outlive their updater, so they are told by what they were given.
    fn stop_agents(&self) {
        let addresses: Vec<_> = self.hosts.iter().map(Host::agent_address).collect();
        let Ok(processes) = fs::read_dir("/proc") else { return };
        for process in processes.flatten() {
            let Some(pid) = process.file_name().to_str().and_then(|pid| pid.parse().ok()) else {
                continue;
            };
            let read = |name| fs::read(process.path().join(name)).unwrap_or_default();
            let (environment, words) = (read("environ"), read("cmdline"));
            let is_one = |address: &String| {
                let given = format!("AGENT_LISTEN={address}");
                has(&environment, &given) || (has(&words, "demo-agent") && has(&words, address))
            };
            if addresses.iter().any(is_one) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

impl Host {
    /// Where `enroll` writes.
    pub(super) fn bundle(&self) -> PathBuf {
        self.directory.join("etc")
    }

    /// The configuration of its updater.
    pub(super) fn config(&self) -> PathBuf {
        self.bundle().join("updater.toml")
    }

    /// Where its agent listens.
    pub(super) fn agent_address(&self) -> String {
        format!("{}:{AGENT_PORT}", self.address)
    }

    fn configure(&self, swarm: &Path) -> io::Result<()> {
        let directory = self.directory.display();
        let (address, agent) = (&self.address, self.agent_address());
        let text = format!(
            r#"listen = "{address}:{UPDATER_PORT}"
identity = "{identity}"
state_dir = "{directory}/state"

[self]
install_dir = "{directory}/updater"

[app.agent]
install_dir = "{directory}/agent"

[app.agent.run]
command = ["bin/agent"]
# Not a unit of the machine's own systemd: a demo leaves nothing behind.
transient = false
stop_grace = "1s"
env = {{ SWARM = "{swarm}", AGENT_LISTEN = "{agent}" }}

[app.agent.health]
url = "http://{agent}/health"
release_pointer = "/release"
attempts = 5
interval = "200ms"
watch = "2s"
watch_failures = 2
"#,
            identity = self.bundle().join("updater").display(),
            swarm = swarm.display(),
        );
        fs::write(self.config(), text)
    }

    fn wait_for_updater(&mut self, log: &Path) -> Result<(), DemoError> {
        let deadline = Instant::now() + START_DEADLINE;
        while TcpStream::connect((self.address.as_str(), UPDATER_PORT)).is_err() {
            let ended = self
                .updater
                .as_mut()
                .is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_some()));
            if ended || Instant::now() > deadline {
                let (host, log) = (self.name.clone(), log.to_owned());
                return Err(DemoError::NotListening { host, log });
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    }

    fn stop(&mut self) {
        let Some(mut child) = self.updater.take() else { return };
        let group = i32::try_from(child.id()).unwrap_or(0);
        if group > 1 {
            let _ = killpg(Pid::from_raw(group), Signal::SIGTERM);
        }
        let _ = child.wait();
    }
}

/// Whether `one` is among texts that end in NUL, as `/proc` has them.
fn has(texts: &[u8], one: &str) -> bool {
    texts.split(|byte| *byte == 0).any(|text| text == one.as_bytes())
}

/// A release: a directory with a program that runs this one's small service.
pub(super) fn write_release(directory: &Path, version: &str, mood: &str) -> Result<(), DemoError> {
    let write = || -> io::Result<()> {
        fs::create_dir_all(directory.join("bin"))?;
        let manifest =
            format!("name = \"web\"\nversion = \"{version}\"\n\n[pack]\ninclude = [\"bin/**\"]\n");
        fs::write(directory.join("release.toml"), manifest)?;
        let program = directory.join("bin/agent");
        let mut file = fs::File::create(&program)?;
        writeln!(
            file,
            "#!/bin/sh\nexec \"$SWARM\" demo-agent --mood {mood} --listen \"$AGENT_LISTEN\""
        )?;
        file.set_permissions(fs::Permissions::from_mode(0o755))
    };
    write().map_err(|source| io_error("write a release", source))
}

pub(super) fn io_error(what: &str, source: io::Error) -> DemoError {
    DemoError::Io { what: what.to_owned(), source }
}
