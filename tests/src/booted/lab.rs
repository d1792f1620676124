//! The hosts of one test, and the bridge between them and the test.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context as _, Result, ensure};
use nix::fcntl::{Flock, FlockArg};
use updater::release::remove_tree;

use super::{BootedHost, Debian, cgroup, root};
use crate::Output;

/// More tests at a time than one machine bears.
const LABS: u8 = 16;

/// A place for booted hosts. No two labs have the same number, which makes their networks, bridges
/// and directories their own; the lock on it ends with the test, however that ends.
#[derive(Debug)]
pub struct Lab {
    number: u8,
    root: PathBuf,
    directory: PathBuf,
    hosts: AtomicU8,
    _lock: Flock<File>,
}

impl Lab {
    /// An empty lab, or none where no host can be booted; the test is then counted as skipped.
    ///
    /// # Errors
    /// When it should be possible, and is not.
    pub fn open(debian: Debian) -> Result<Option<Self>> {
        let Some(root) = root::shared_root(debian)? else { return Ok(None) };
        let cache = root.parent().context("the root is in a directory")?;
        let mut mine = None;
        for number in 0..LABS {
            let lock =
                File::options().create(true).append(true).open(place(cache, number, "lock"))?;
            let Ok(lock) = Flock::lock(lock, FlockArg::LockExclusiveNonblock) else { continue };
            // What has no owner was left by one that was killed.
            take_down(cache, number)?;
            mine.get_or_insert((number, lock));
        }
        let (number, lock) = mine.context("every lab of this machine is in use")?;
        let directory = place(cache, number, "hosts");
        fs::create_dir(&directory)?;
        let lab = Self { number, root, directory, hosts: AtomicU8::new(0), _lock: lock };
        let (bridge, gateway) = (lab.bridge(), format!("{}/24", lab.address(1)));
        ip(&["link", "add", &bridge, "type", "bridge"])?;
        ip(&["address", "add", &gateway, "dev", &bridge])?;
        ip(&["link", "set", &bridge, "up"])?;
        Ok(Some(lab))
    }

    /// A host of this name that was never booted.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn host(&self, name: &str) -> Result<BootedHost> {
        let count = self.hosts.fetch_add(1, Ordering::SeqCst);
        ensure!(count < 200, "a lab has room for 200 hosts");
        let machine = format!("lab{}-{count}", self.number);
        BootedHost::new(self, name, &machine, self.address(10 + count))
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The network card of this machine that its hosts are plugged into.
    pub fn bridge(&self) -> String {
        bridge(self.number)
    }

    /// Addresses that are nobody's: 198.18.0.0/15 is for tests (RFC 2544).
    fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.number, last)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let cache = self.directory.parent().unwrap_or(&self.directory).to_owned();
        if std::thread::panicking() && std::env::var_os("FLEET_KEEP").is_some() {
            return;
        }
        // What does not go away now does so when the next lab is opened, or is told there.
        let _ = take_down(&cache, self.number);
    }
}

/// Ends the hosts of a lab that nobody owns any more, and removes all that was theirs.
fn take_down(cache: &Path, number: u8) -> Result<()> {
    let directory = place(cache, number, "hosts");
    if let Ok(hosts) = fs::read_dir(&directory) {
        for host in hosts {
            let machine = host?.file_name().into_string().ok().context("a host has a name")?;
            cgroup::remove(&cgroup::group(&format!("swarm-{machine}"))?)?;
        }
        remove_tree(&directory).with_context(|| format!("remove {}", directory.display()))?;
    }
    if Path::new("/sys/class/net").join(bridge(number)).exists() {
        ip(&["link", "delete", &bridge(number)])?;
    }
    Ok(())
}

fn place(cache: &Path, number: u8, what: &str) -> PathBuf {
    cache.join(format!("lab-{number}-{what}"))
}

fn bridge(number: u8) -> String {
    format!("swarm-lab{number}")
}

fn ip(arguments: &[&str]) -> Result<()> {
    Output::of(Command::new("ip").args(arguments))?.good().map(|_| ()).context("run ip")
}
