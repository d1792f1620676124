//! One host of a fleet: its directory, its updater, and what it says of itself.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use pki::Paths;
use protocol::{AppHealth, AppReleases, Digest, Health, Phase, Releases};
use reqwest::Method;
use serde_json::Value;
use updater::release::Layout;

use crate::authority::tls_as;
use crate::faults::CallInterceptor;
use crate::{
    Answer, Ca, Call, Client, Daemon, LONG, Output, RawConnection, Release, Sandbox, Setup,
    eventually, memory_of, program,
};

/// One host as most tests want it: in a sandbox of its own, with its updater running.
///
/// # Errors
/// When the updater does not answer.
pub fn host() -> Result<Host> {
    Host::alone(&Setup::default())
}

/// A host. Its directory has `install/`, `state/`, `self/`, `updater.toml` and `updater.log`.
#[derive(Debug)]
pub struct Host {
    pub name: String,
    pub directory: PathBuf,
    /// Where its updater listens.
    pub address: SocketAddr,
    /// Where its agent listens.
    pub agent: SocketAddr,
    master: Client,
    daemon: Mutex<Option<Daemon>>,
    // The last one: it ends what the host has started.
    sandbox: Arc<Sandbox>,
}

impl Host {
    /// Writes the configuration of a host whose identity is there already. Nothing is started.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn new(
        name: &str,
        sandbox: Arc<Sandbox>,
        addresses: (SocketAddr, SocketAddr),
        identity: &Path,
        setup: &Setup,
    ) -> Result<Self> {
        let (address, agent) = addresses;
        let directory = &sandbox.path().join(name);
        fs::create_dir_all(directory)?;
        let master = Paths::master(&sandbox.home());
        fs::write(
            directory.join("updater.toml"),
            setup.render(directory, identity, address, agent),
        )?;
        Ok(Self {
            name: name.to_owned(),
            directory: directory.to_owned(),
            address,
            agent,
            master: Client::new(address, &tls_as(Some(&master))?)?,
            daemon: Mutex::new(None),
            sandbox,
        })
    }

    /// Makes a CA and one host, without `swarm`, in a sandbox of its own, and starts it.
    ///
    /// # Errors
    /// When that fails, or the updater does not answer.
    pub fn alone(setup: &Setup) -> Result<Self> {
        let host = Self::alone_and_idle(setup)?;
        host.start()?;
        Ok(host)
    }

    /// As [`Host::alone`], without starting it.
    ///
    /// # Errors
    /// When that fails.
    pub fn alone_and_idle(setup: &Setup) -> Result<Self> {
        Self::alone_in(Sandbox::new()?, setup)
    }

    /// As [`Host::alone_and_idle`], in a sandbox in which something was made before.
    ///
    /// # Errors
    /// When that fails.
    pub fn alone_in(sandbox: Sandbox, setup: &Setup) -> Result<Self> {
        let home = sandbox.home();
        let ca = Ca::create(&home)?;
        ca.issue("master", &home.join("master"))?;
        let directory = sandbox.path().join("web-1");
        fs::create_dir_all(&directory)?;
        let identity = directory.join("identity");
        ca.issue("updater/web-1", &identity)?;
        ca.issue("agent/web-1", &directory.join("agent-identity"))?;
        let addresses = (sandbox.free_port()?, sandbox.free_port()?);
        Self::new("web-1", Arc::new(sandbox), addresses, &identity, setup)
    }

    /// Starts the updater and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn start(&self) -> Result<()> {
        self.start_crashing("")?;
        self.answers()
    }

    /// Starts the updater; one after the other dies at these checkpoints (`built,active_flipped`).
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_crashing(&self, checkpoints: &str) -> Result<()> {
        let log = self.directory.join("updater.log");
        let daemon = Daemon::start(&self.config(), &log, checkpoints)?;
        *self.daemon() = Some(daemon);
        Ok(())
    }

    /// Starts the updater with these variables in its environment, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn start_with(&self, variables: &[(&str, &str)]) -> Result<()> {
        let log = self.directory.join("updater.log");
        *self.daemon() = Some(Daemon::start_with(&self.config(), &log, variables)?);
        self.answers()
    }

    /// Gives the host's directory to a user without privileges, starts the updater as that user,
    /// and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn start_as(&self, user: u32) -> Result<()> {
        for path in crate::entries_below(&self.directory, &[])?.keys() {
            lchown(self.directory.join(path), Some(user), Some(user))?;
        }
        lchown(&self.directory, Some(user), Some(user))?;
        let log = self.directory.join("updater.log");
        *self.daemon() = Some(Daemon::start_as(user, &self.config(), &log)?);
        self.answers()
    }

    /// Starts the updater under the eyes of `interceptor`. Nothing is waited for.
    ///
    /// # Errors
    /// When it cannot be started, or the kernel knows no filter that asks.
    pub fn start_intercepted(&self, interceptor: &CallInterceptor) -> Result<()> {
        let log = self.directory.join("updater.log");
        *self.daemon() = Some(Daemon::start_intercepted(&self.config(), &log, interceptor)?);
        Ok(())
    }

    /// Waits until the updater answers its master.
    ///
    /// # Errors
    /// When it never does; with its log.
    pub fn answers(&self) -> Result<()> {
        eventually("the updater to answer", LONG, || {
            self.master.get("/health").ok().filter(|answer| answer.status == 200).map(|_| ())
        })
        .with_context(|| self.log())
    }

    /// Kills the updater, every process of it, as a power cut would. The agent lives on.
    ///
    /// # Errors
    /// When it does not die.
    pub fn kill(&self) -> Result<()> {
        self.daemon().take().map_or(Ok(()), Daemon::kill)
    }

    /// Ends the updater as an init system does. The agent lives on.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&self) -> Result<()> {
        self.daemon().take().map_or(Ok(()), Daemon::stop)
    }

    fn daemon(&self) -> MutexGuard<'_, Option<Daemon>> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The processes of the updater.
    pub fn updater_processes(&self) -> Vec<nix::unistd::Pid> {
        self.daemon().as_ref().map(Daemon::processes).unwrap_or_default()
    }

    /// The updater proper: of its processes the one that needs memory. Its parent is small.
    ///
    /// # Errors
    /// When it does not run.
    pub fn updater(&self) -> Result<nix::unistd::Pid> {
        let size = |pid: &nix::unistd::Pid| memory_of(*pid, "VmRSS").unwrap_or_default();
        let processes = self.updater_processes().into_iter();
        let largest = processes.max_by(|one, other| size(one).total_cmp(&size(other)));
        largest.context("the updater runs")
    }

    pub fn master(&self) -> &Client {
        &self.master
    }

    /// Where the host lives, and its master's home beside it.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The master's own identity.
    pub fn master_identity(&self) -> Paths {
        Paths::master(&self.sandbox.home())
    }

    /// Another identity of the master's CA: of this role (`agent/web-1`).
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn issue(&self, role: &str) -> Result<Paths> {
        let directory = self.sandbox.path().join("issued").join(role);
        Ca::load(&self.sandbox.home())?.issue(role, &directory)
    }

    /// A connection to the updater as its master, on which anything can be said.
    ///
    /// # Errors
    /// When the updater does not listen.
    pub fn connect(&self) -> Result<RawConnection> {
        self.connect_as(&self.master_identity())
    }

    /// The same with another identity.
    ///
    /// # Errors
    /// When the updater does not listen.
    pub fn connect_as(&self, identity: &Paths) -> Result<RawConnection> {
        RawConnection::tls(self.address, Some(identity))
    }

    /// A client with this identity, or with no certificate at all.
    ///
    /// # Errors
    /// When the identity cannot be read.
    pub fn client_as(&self, identity: Option<&Paths>) -> Result<Client> {
        Client::new(self.address, &tls_as(identity)?)
    }

    /// Types a command of `updater` on this host.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn local(&self, arguments: &[&str]) -> Result<Output> {
        let (first, rest) = arguments.split_first().context("a command")?;
        let mut command = Command::new(program("updater")?);
        Output::of(command.arg(first).arg("--config").arg(self.config()).args(rest))
    }

    /// Pushes a release and waits for the end.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn push(&self, release: &Release) -> Result<Answer> {
        self.order("/update", release).send()
    }

    /// An order with this release as its body.
    pub fn order(&self, path: &str, release: &Release) -> Call {
        self.master.upload(path, release)
    }

    /// Puts a release on the disk without activating it, and waits for the end.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn stage(&self, release: &Release) -> Result<Answer> {
        self.master
            .call(Method::PUT, &format!("/releases/{}", release.digest))
            .header("content-type", release.media_type())
            .body(release.bytes.clone())
            .send()
    }

    /// Rolls back to `prev`.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn rollback(&self) -> Result<Answer> {
        self.master.post("/rollback").json(&serde_json::json!({})).send()
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

    /// The releases of the app `agent`.
    ///
    /// # Errors
    /// When the updater does not say.
    pub fn releases(&self) -> Result<AppReleases> {
        let mut releases: Releases = self.master.get("/releases")?.json()?;
        releases.apps.remove(&"agent".parse()?).context("there is no agent")
    }

    /// Waits until no transaction is under way, and says what the app is then.
    ///
    /// # Errors
    /// When that never is.
    pub fn idle(&self) -> Result<AppHealth> {
        eventually("the transaction to end", LONG, || {
            self.app().ok().filter(|app| app.state == Phase::Idle)
        })
        .with_context(|| self.log())
    }

    /// What the agent itself answers to `GET path`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ask_agent(&self, path: &str) -> Result<Value> {
        ask_agent(self.agent, path)
    }

    /// Which release the agent itself says that it is.
    pub fn running(&self) -> Option<Digest> {
        running(self.agent)
    }

    /// Waits until the agent says that it is this release.
    ///
    /// # Errors
    /// When it never does.
    pub fn runs(&self, digest: &Digest) -> Result<()> {
        eventually("the agent to be the right release", LONG, || {
            (self.running().as_ref() == Some(digest)).then_some(())
        })
        .with_context(|| self.log())
    }

    pub fn config(&self) -> PathBuf {
        self.directory.join("updater.toml")
    }

    /// The app's install directory.
    pub fn install(&self) -> PathBuf {
        self.directory.join("install")
    }

    /// The app's own state: journal, history, evidence.
    pub fn state(&self) -> PathBuf {
        self.directory.join("state/apps/agent")
    }

    /// The directory that `current` leads to in the end.
    pub fn current(&self) -> Option<PathBuf> {
        fs::canonicalize(self.install().join("current")).ok()
    }

    /// The digests of what is in `releases/store`, in hexadecimal digits.
    pub fn store(&self) -> Vec<String> {
        let stored = self.layout().stored().unwrap_or_default();
        stored.iter().map(Digest::hex).collect()
    }

    /// The directory of a release.
    pub fn release(&self, digest: &Digest) -> PathBuf {
        self.layout().release(digest)
    }

    fn layout(&self) -> Layout {
        Layout::new(self.install())
    }

    /// The names in `releases/incoming`.
    pub fn incoming(&self) -> Vec<String> {
        names_in(&self.install().join("releases/incoming"))
    }

    /// The lines of the history.
    pub fn history(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.state().join("history.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What the updater has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("updater.log")).unwrap_or_default()
    }
}

/// What an agent answers to `GET path`.
pub(crate) fn ask_agent(agent: SocketAddr, path: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(agent)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: agent\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (_, body) = text.split_once("\r\n\r\n").context("an answer has a body")?;
    Ok(serde_json::from_str(body)?)
}

/// Which release an agent says that it is.
pub(crate) fn running(agent: SocketAddr) -> Option<Digest> {
    ask_agent(agent, "/health").ok()?.get("release")?.as_str()?.parse().ok()
}

fn names_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}
