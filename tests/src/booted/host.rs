//! One booted host: its power switch, its files, and commands inside of it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::boot_notifications::BootNotifications;
use super::{Lab, cgroup, disk};
use crate::tree::PROGRAMS_IN_BOOTED_HOSTS;
use crate::{LONG, Output, eventually, program};

/// What `systemd-nspawn` sends to the init of a container for a clean power-off: SIGRTMIN+4.
const POWER_OFF: &str = "RTMIN+4";

/// A host. Dropped, its power is cut.
#[derive(Debug)]
pub struct BootedHost {
    pub name: String,
    /// Its address, which the test can dial.
    pub address: Ipv4Addr,
    directory: PathBuf,
    cgroup: PathBuf,
    command: Vec<String>,
    on: Mutex<Option<On>>,
}

/// A host that has power.
#[derive(Debug)]
struct On {
    container: Child,
    init: Pid,
}

impl BootedHost {
    pub(super) fn new(lab: &Lab, name: &str, machine: &str, address: Ipv4Addr) -> Result<Self> {
        let directory = lab.directory().join(machine);
        fs::create_dir(&directory)?;
        disk::make(&directory, name, address)?;
        let cgroup = cgroup::group(&format!("swarm-{machine}"))?;
        let programs =
            program("agent")?.parent().context("a program is in a directory")?.to_owned();
        let command = [
            cgroup.display().to_string(),
            lab.root().display().to_string(),
            directory.display().to_string(),
            // The names of a container's network cards on this machine come from its own.
            format!("--machine={machine}"),
            format!("--network-bridge={}", lab.bridge()),
            format!("--bind-ro={}:{PROGRAMS_IN_BOOTED_HOSTS}", escaped(&programs)),
        ];
        let (name, command, on) = (name.to_owned(), command.to_vec(), Mutex::new(None));
        Ok(Self { name, address, directory, cgroup, command, on })
    }

    /// Gives it power, and waits until its units are started.
    ///
    /// # Errors
    /// When it does not boot; with what it said on its console.
    pub fn boot(&self) -> Result<()> {
        let mut on = self.on();
        ensure!(on.is_none(), "{} is on already", self.name);
        let socket = self.directory.join("notify");
        let notifications = BootNotifications::open(&socket)?;
        let console = File::create(self.directory.join("console"))?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", include_str!("power-on.sh"), "power-on.sh"]);
        command.args(&self.command).env("NOTIFY_SOCKET", &socket);
        command.stdin(Stdio::null()).stdout(console.try_clone()?).stderr(console);
        let mut container = command.spawn().context("start a container")?;
        match notifications.booted(&mut container) {
            Ok(init) => *on = Some(On { container, init }),
            Err(error) => {
                cgroup::remove(&self.cgroup)?;
                container.wait()?;
                return Err(error.context(self.console()));
            }
        }
        Ok(())
    }

    /// Asks it to power off, and waits until it has: every unit is stopped.
    ///
    /// # Errors
    /// When it is off, or does not go off.
    pub fn power_off(&self) -> Result<()> {
        let mut on = self.on().take().context("it is off")?;
        let init = on.init.to_string();
        let asked = Command::new("kill").args(["-s", POWER_OFF, &init]).status()?;
        ensure!(asked.success(), "{} has no init", self.name);
        eventually("the host to power off", LONG * 3, || on.container.try_wait().ok().flatten())
            .with_context(|| self.console())?;
        cgroup::remove(&self.cgroup)
    }

    /// Takes its power away: every process of it dies in the same instant, and is told nothing. What
    /// it has written without a sync is still there: this machine's kernel lives on.
    ///
    /// # Errors
    /// When it is off, or something of it lives on.
    pub fn cut_power(&self) -> Result<()> {
        let mut on = self.on().take().context("it is off")?;
        // With the first process of a PID namespace go all others.
        kill(on.init, Signal::SIGKILL)?;
        on.container.wait()?;
        cgroup::remove(&self.cgroup)
    }

    /// Runs a command inside, as root with the standard PATH, and waits for it.
    ///
    /// # Errors
    /// When the host is off.
    pub fn run<T: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = T>) -> Result<Output> {
        Output::of(&mut self.command(arguments)?)
    }

    /// Runs a line of shell inside, likewise.
    ///
    /// # Errors
    /// When the host is off.
    pub fn shell(&self, line: &str) -> Result<Output> {
        self.run(["sh", "-c", line])
    }

    /// Runs a line of shell inside that has to go well, and gives what it printed.
    ///
    /// # Errors
    /// When it does not.
    pub fn ask(&self, line: &str) -> Result<String> {
        Ok(self.shell(line)?.good()?.stdout.trim_end().to_owned())
    }

    /// The command, for whoever wants to start it otherwise. It is inside of the host's namespaces,
    /// and not of its control groups: what is to outlive it is started with `systemd-run`.
    ///
    /// # Errors
    /// When the host is off.
    pub fn command<T: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<Command> {
        let init = self.on().as_ref().with_context(|| format!("{} is off", self.name))?.init;
        let mut command = Command::new("nsenter");
        command.args(["--target", &init.to_string(), "--all", "--wd=/", "--"]).args(arguments);
        command.env_clear().env("LANG", "C.UTF-8").env("HOME", "/root");
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.stdin(Stdio::null());
        Ok(command)
    }

    /// Writes a file, with the directories above it, whether the host is on or off.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Result<()> {
        if self.on().is_none() {
            return disk::write(&self.directory.join("disk"), path, content.as_ref(), mode);
        }
        // From inside: an absolute link on the way is the host's.
        let mode = format!("--mode={mode:o}");
        let mut install = self.command(["install", "-D", &mode, "/dev/stdin", path])?;
        let mut install = install.stdin(Stdio::piped()).spawn()?;
        install.stdin.take().context("a pipe")?.write_all(content.as_ref())?;
        let status = install.wait()?;
        ensure!(status.success(), "install {path} on {} ended with {status}", self.name);
        Ok(())
    }

    /// Copies a file of this machine to a path of the host.
    ///
    /// # Errors
    /// When either disk refuses.
    pub fn copy(&self, from: &Path, to: &str, mode: u32) -> Result<()> {
        let content = fs::read(from).with_context(|| format!("read {}", from.display()))?;
        self.write(to, content, mode)
    }

    /// Gives the updater's unit one of the drop-ins that are shipped with it. It counts after a
    /// `daemon-reload`, and a restart of the updater.
    ///
    /// # Errors
    /// When there is none of the name, or the host's disk refuses.
    pub fn add_drop_in(&self, name: &str) -> Result<()> {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd/drop-ins").join(name);
        self.copy(&shipped, &format!("/etc/systemd/system/updater.service.d/{name}"), 0o644)
    }

    /// Where a path of the host is seen from here, to read it. While the host is off, only what it
    /// has written itself is there; and an absolute link leads astray.
    pub fn path(&self, path: &str) -> PathBuf {
        let root = match self.on().as_ref() {
            Some(on) => Path::new("/proc").join(on.init.to_string()).join("root"),
            None => self.disk(),
        };
        root.join(path.trim_start_matches('/'))
    }

    /// Where its disk is seen from here, whether it is on or off: what it has written itself, and no
    /// more.
    pub fn disk(&self) -> PathBuf {
        self.directory.join("disk")
    }

    /// A property of a unit, as `systemctl show` has it.
    ///
    /// # Errors
    /// When the host is off, or its systemd does not answer.
    pub fn show(&self, unit: &str, property: &str) -> Result<String> {
        let shown = self.run(["systemctl", "show", "--value", "--property", property, unit])?;
        Ok(shown.good()?.stdout.trim_end().to_owned())
    }

    /// What a unit has told the journal, in every boot; or why that cannot be said.
    pub fn journal(&self, unit: &str) -> String {
        let read = self.run(["journalctl", "--no-pager", "--output=short-precise", "--unit", unit]);
        match read.and_then(Output::good) {
            Ok(output) => output.stdout,
            Err(error) => format!("{error:#}\n{}", self.console()),
        }
    }

    /// What it has said on its console since its last boot.
    pub fn console(&self) -> String {
        let bytes = fs::read(self.directory.join("console")).unwrap_or_default();
        format!("the console of {}:\n{}", self.name, String::from_utf8_lossy(&bytes))
    }

    fn on(&self) -> MutexGuard<'_, Option<On>> {
        self.on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A path as `systemd-nspawn` takes it before a colon.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\").replace(':', "\\:")
}

impl Drop for BootedHost {
    fn drop(&mut self) {
        if self.on().is_some() {
            let _ = self.cut_power();
        }
    }
}
