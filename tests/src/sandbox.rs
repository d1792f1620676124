//! A directory and an address that nobody else has.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use tempfile::TempDir;

use crate::end_all;

/// Where one test's fleet lives. Dropped, it takes every process of its fleet along.
#[derive(Debug)]
pub struct Sandbox {
    directory: TempDir,
    address: IpAddr,
}

impl Sandbox {
    /// An empty directory, and an address of this process alone: 127.0.0.0/8 has room for all.
    ///
    /// # Errors
    /// When no directory can be made.
    pub fn new() -> Result<Self> {
        // The users that builds and agents run as have to reach what is below it.
        let directory = tempfile::Builder::new()
            .prefix("fleet-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir()?;
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        // Never 127.0.x.y, where everything else on this machine is; 22 bits are all that a
        // process's number has.
        let address = Ipv4Addr::new(127, 64 | (high & 0x3f), middle, low.clamp(1, 254));
        Ok(Self { directory, address: address.into() })
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The home of the master of what lives here.
    pub fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// A port of the address on which nobody listens, and which was not given out here before: the
    /// system itself draws by chance, and would give one twice now and then.
    ///
    /// # Errors
    /// When there is none.
    pub fn free_port(&self) -> Result<SocketAddr> {
        static GIVEN: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());
        loop {
            let address = TcpListener::bind((self.address, 0))?.local_addr()?;
            if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(address) {
                return Ok(address);
            }
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        end_all(self.directory.path());
        if std::thread::panicking() {
            self.directory.disable_cleanup(std::env::var_os("FLEET_KEEP").is_some());
        }
    }
}
