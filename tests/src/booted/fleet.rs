//! Booted hosts with an updater each, as a package installs it, enrolled with a master out here.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use pki::Paths;
use protocol::{AppHealth, Digest, Health, LastTransaction};
use tempfile::TempDir;

use super::{BootedHost, Debian, Lab};
use crate::authority::tls_as;
use crate::host::{ask_agent, running};
use crate::{Answer, Call, Client, LONG, Output, Release, Setup, Tree, eventually, program};

/// Where the repository's units are.
const SYSTEMD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd");
/// As `updater.socket` has it.
const UPDATER_PORT: u16 = 8766;
const AGENT_PORT: u16 = 8765;
/// The master's home on a host that it was moved to.
const MOVED_HOME: &str = "/root/fleet";

/// A host whose updater the test speaks to.
#[derive(Debug)]
pub struct Member {
    pub machine: BootedHost,
    /// Where its agent answers.
    pub agent: SocketAddr,
    master: Client,
}

/// A master's home, and booted hosts that are enrolled in it.
#[derive(Debug)]
pub struct BootedFleet {
    /// The hosts: `web-1` and so on.
    pub members: Vec<Member>,
    home: TempDir,
    // After its hosts: they are plugged into it.
    lab: Lab,
}

impl BootedFleet {
    /// So many hosts, booted, whose updaters run as units and answer; none where no host can be
    /// booted. `setup` is over a configuration with the directories of the manual.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn of(count: usize, setup: &Setup) -> Result<Option<Self>> {
        Self::of_debian(Debian::This, count, setup)
    }

    /// The same, on this Debian.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn of_debian(debian: Debian, count: usize, setup: &Setup) -> Result<Option<Self>> {
        let Some(fleet) = Self::idle(debian, count, setup)? else { return Ok(None) };
        let tree = Tree::updater("as installed")?;
        let updater = tree.path().join("bin/updater");
        for member in &fleet.members {
            member.install(&updater)?;
        }
        fleet.each(|member| {
            member.machine.run(["systemctl", "enable", "--now", "updater"])?.good()?;
            member.answers()
        })?;
        Ok(Some(fleet))
    }

    /// So many hosts that are booted and enrolled, with nothing of ours on them but the bundle in
    /// `/root/bundle`.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn idle(debian: Debian, count: usize, setup: &Setup) -> Result<Option<Self>> {
        let Some(lab) = Lab::open(debian)? else { return Ok(None) };
        let home = tempfile::tempdir()?;
        let mut fleet = Self { members: Vec::new(), home, lab };
        fleet.swarm(["init"])?.good()?;
        for number in 1..=count {
            fleet.enroll(&format!("web-{number}"), setup)?;
        }
        fleet.each(|member| member.machine.boot())?;
        Ok(Some(fleet))
    }

    /// Does the same with all hosts at once.
    ///
    /// # Errors
    /// When it fails on one.
    pub fn each(&self, act: impl Fn(&Member) -> Result<()> + Sync) -> Result<()> {
        std::thread::scope(|scope| {
            let all: Vec<_> = self
                .members
                .iter()
                .map(|member| scope.spawn(|| act(member).context(member.machine.name.clone())))
                .collect();
            all.into_iter().try_for_each(|one| one.join().ok().context("it does not panic")?)
        })
    }

    /// Runs `swarm` out here and waits for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn swarm<T: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = T>) -> Result<Output> {
        let mut command = Command::new(program("swarm")?);
        command.arg("--home").arg(self.master_home()).args(arguments).stdin(Stdio::null());
        Output::of(&mut command)
    }

    /// Lets every host drill, which no agent notices, and nothing is left of.
    ///
    /// # Errors
    /// When a drill does not pass, or is noticed.
    pub fn drills(&self) -> Result<()> {
        let agents = || -> Result<Vec<_>> {
            self.members.iter().map(|member| Ok(member.app()?.pid)).collect()
        };
        let before = agents()?;
        ensure!(before.iter().all(Option::is_some), "no agent runs: {before:?}");
        let drilled = self.swarm(["--json", "drill", "--all"])?;
        let journals = || self.members.iter().map(Member::journals).collect::<String>();
        drilled.good().with_context(journals)?;
        ensure!(agents()? == before, "an agent was restarted\n{}", journals());
        self.each(|member| {
            let units = "systemctl list-units --all --plain --no-legend 'updater-*-drill*'";
            let left =
                format!("ls -d /opt/agent/.drill /var/lib/updater/drill 2>/dev/null; {units}");
            let left = member.machine.shell(&left)?.stdout;
            ensure!(left.is_empty(), "a drill left {left}");
            Ok(())
        })
    }

    /// Puts a copy of the master's home on a host that has the master's package: [`Member::swarm`] is the master
    /// from then on.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn move_master(&self, to: &Member) -> Result<()> {
        to.copy_tree(&self.master_home(), MOVED_HOME)?;
        to.machine.run(["chmod", "--recursive", "go=", MOVED_HOME])?.good().map(drop)
    }

    fn master_home(&self) -> PathBuf {
        self.home.path().join("home")
    }

    fn enroll(&mut self, name: &str, setup: &Setup) -> Result<()> {
        let machine = self.lab.host(name)?;
        let bundle = self.home.path().join(name);
        let address = machine.address.to_string();
        let mut arguments = vec!["enroll", "--updater", "--name", name, "--address", &address];
        let ports = (UPDATER_PORT.to_string(), AGENT_PORT.to_string());
        arguments.extend(["--updater-port", &ports.0, "--agent-port", &ports.1, "--out-dir"]);
        let out = bundle.display().to_string();
        arguments.push(&out);
        self.swarm(arguments)?.good()?;
        copy_tree(&machine, &bundle, "/root/bundle")?;

        let agent = SocketAddr::from((machine.address, AGENT_PORT));
        let setup = setup
            .clone()
            .top("identity", "'/etc/updater/identity'")
            .top("state_dir", "'/var/lib/updater'")
            .self_update("install_dir", "'/opt/updater'")
            .app("install_dir", "'/opt/agent'");
        let listen = SocketAddr::from(([0, 0, 0, 0], UPDATER_PORT));
        let text = setup.render("/".as_ref(), "/".as_ref(), listen, agent);
        machine.write("/etc/updater/updater.toml", text, 0o644)?;
        for file in ["updater.key", "updater.crt", "ca.crt"] {
            let to = format!("/etc/updater/identity/{file}");
            machine.copy(&bundle.join("updater").join(file), &to, 0o600)?;
        }
        let master = tls_as(Some(&Paths::master(&self.master_home())))?;
        let master = Client::new(SocketAddr::from((machine.address, UPDATER_PORT)), &master)?;
        self.members.push(Member { machine, agent, master });
        Ok(())
    }
}

impl Member {
    /// Puts the program, the units and the rescue where a package has them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn install(&self, updater: &Path) -> Result<()> {
        self.machine.copy(updater, "/usr/bin/updater", 0o755)?;
        let source = Path::new(SYSTEMD);
        for unit in ["updater.service", "updater.socket"] {
            self.machine.copy(
                &source.join(unit),
                &format!("/usr/lib/systemd/system/{unit}"),
                0o644,
            )?;
        }
        self.machine.copy(&source.join("rescue"), "/usr/lib/updater/rescue", 0o755)?;
        self.machine
            .shell("mkdir -p /opt/agent /opt/updater && systemctl daemon-reload")?
            .good()?;
        Ok(())
    }

    /// Copies a directory of this machine to a path of the host, with the modes of its files.
    ///
    /// # Errors
    /// When either disk refuses.
    pub fn copy_tree(&self, from: &Path, to: &str) -> Result<()> {
        copy_tree(&self.machine, from, to)
    }

    /// Runs the `swarm` that is installed on the host, as the master that was moved there.
    ///
    /// # Errors
    /// When the host is off.
    pub fn swarm<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<Output> {
        self.machine.run(["swarm", "--home", MOVED_HOME].into_iter().chain(arguments))
    }

    /// Waits until the updater answers its master.
    ///
    /// # Errors
    /// When it never does; with its journal.
    pub fn answers(&self) -> Result<()> {
        eventually("the updater to answer", LONG, || self.health().ok().map(|_| ()))
            .with_context(|| self.machine.journal("updater"))
    }

    /// Waits until the updater that answers is this release.
    ///
    /// # Errors
    /// When it never is; with its journal, and the rescue's.
    pub fn is_now(&self, updater: &Digest) -> Result<()> {
        eventually("the right updater to answer", LONG * 2, || {
            self.health().ok().filter(|health| health.digest == *updater).map(|_| ())
        })
        .with_context(|| self.journals())
    }

    /// The unit's main process.
    ///
    /// # Errors
    /// When the host is off.
    pub fn main_process(&self) -> Result<String> {
        self.machine.show("updater", "MainPID")
    }

    /// Waits until the unit is another process than this, which is in charge.
    ///
    /// # Errors
    /// When it never is; with its journal, and the rescue's.
    pub fn is_another(&self, main: &str) -> Result<()> {
        eventually("the unit to be the new process", LONG, || {
            let now = self.main_process().ok()?;
            let active = self.machine.show("updater", "ActiveState").ok()? == "active";
            (now != main && active).then_some(())
        })
        .with_context(|| self.journals())
    }

    /// Kills the updater, and nothing else of its control group.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_updater(&self) -> Result<()> {
        self.machine.ask(&format!("kill -KILL {}", self.main_process()?)).map(drop)
    }

    /// What the updater and its rescue have told the journal.
    pub fn journals(&self) -> String {
        self.machine.journal("updater")
    }

    /// What the updater says of itself.
    ///
    /// # Errors
    /// When it does not answer so.
    pub fn health(&self) -> Result<Health> {
        self.master.get("/health")?.json()
    }

    /// What the updater says of the app `agent`.
    ///
    /// # Errors
    /// When it says nothing.
    pub fn app(&self) -> Result<AppHealth> {
        self.health()?.apps.remove(&"agent".parse()?).context("there is no agent")
    }

    /// How many processes of the host run the agent's program.
    ///
    /// # Errors
    /// When the host is off.
    pub fn agents(&self) -> Result<usize> {
        let programs = self.machine.shell("readlink /proc/[0-9]*/exe")?.stdout;
        Ok(programs.lines().filter(|program| program.ends_with("/agent")).count())
    }

    /// What the agent itself answers to `GET path`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ask_agent(&self, path: &str) -> Result<serde_json::Value> {
        ask_agent(self.agent, path)
    }

    /// Waits until the agent says that it is this release.
    ///
    /// # Errors
    /// When it never does; with the updater's journal.
    pub fn runs(&self, digest: &Digest) -> Result<()> {
        eventually("the agent to be the right release", LONG, || {
            (running(self.agent).as_ref() == Some(digest)).then_some(())
        })
        .with_context(|| self.journals())
    }

    /// Pushes a release and waits for the end.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn push(&self, release: &Release) -> Result<Answer> {
        self.order("/update", release).send()
    }

    /// Goes back to the release before.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn rollback(&self) -> Result<Answer> {
        self.master.post("/rollback").send()
    }

    /// Orders the updater's own update.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn push_self(&self, release: &Release) -> Result<Answer> {
        self.order("/update-self?confirm_self=true", release).send()
    }

    /// An order with this release as its body.
    pub fn order(&self, path: &str, release: &Release) -> Call {
        self.master.upload(path, release)
    }

    /// How the updater's own last transaction ended, as its history has it.
    ///
    /// # Errors
    /// When there was none.
    pub fn own_history(&self) -> Result<Vec<LastTransaction>> {
        let path = self.machine.path("/var/lib/updater/apps/updater/history.jsonl");
        let text = std::fs::read_to_string(path)?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

fn copy_tree(machine: &BootedHost, from: &Path, to: &str) -> Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = format!("{to}/{}", entry.file_name().display());
        if entry.file_type()?.is_dir() {
            copy_tree(machine, &entry.path(), &to)?;
        } else {
            let mode = entry.metadata()?.permissions().mode() & 0o777;
            machine.copy(&entry.path(), &to, mode)?;
        }
    }
    Ok(())
}
