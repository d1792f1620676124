//! What a host that boots says of itself: its init's number, and that its units are started.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::unistd::Pid;

/// Longer than a boot takes on a machine with much else to do.
const BOOT: Duration = Duration::from_mins(2);
/// Between two looks at whether the container is still there.
const LOOK: Duration = Duration::from_millis(200);

/// The socket at which `systemd-nspawn` speaks, as `sd_notify(3)` has it.
pub(super) struct BootNotifications(UnixDatagram);

impl BootNotifications {
    /// A socket of this name.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let _ = std::fs::remove_file(path);
        let socket = UnixDatagram::bind(path).context("listen to a host that boots")?;
        socket.set_read_timeout(Some(LOOK))?;
        Ok(Self(socket))
    }

    /// Waits until the host has booted, and gives back its init, as this machine numbers it.
    pub(super) fn booted(&self, container: &mut Child) -> Result<Pid> {
        let end = Instant::now() + BOOT;
        let mut leader = None;
        while Instant::now() < end {
            if let Some(status) = container.try_wait()? {
                bail!("the host ended with {status}");
            }
            for line in self.hear()?.lines() {
                if let Some(pid) = line.strip_prefix("X_NSPAWN_LEADER_PID=") {
                    leader = Some(Pid::from_raw(pid.parse()?));
                }
                if let ("READY=1", Some(leader)) = (line, leader) {
                    return Ok(leader);
                }
            }
        }
        bail!("the host did not boot in {BOOT:?}")
    }

    /// One message; nothing, if none came for a moment.
    fn hear(&self) -> Result<String> {
        let mut bytes = [0; 4096];
        match self.0.recv(&mut bytes) {
            Ok(length) => Ok(String::from_utf8_lossy(&bytes[..length]).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(String::new()),
            Err(error) => Err(error.into()),
        }
    }
}
