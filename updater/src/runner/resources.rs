//! What the runners of all apps share, made once in a process and passed in.

use std::path::PathBuf;
use std::sync::Arc;

use super::SocketStore;
use crate::systemd::BusConnection;

/// The connection to systemd, and the listening sockets that the updater keeps for agents. Cheap to
/// clone.
#[derive(Debug, Clone)]
pub struct RunnerResources {
    pub systemd: BusConnection,
    pub sockets: Arc<SocketStore>,
    /// The updater's own program, which also writes agents' logs.
    pub program: PathBuf,
    /// Whether agents get control groups of their own where these can be had, besides their keepers.
    pub control_groups: bool,
}

impl Default for RunnerResources {
    fn default() -> Self {
        // Not the path of its file, which another version may have by now.
        let program = PathBuf::from("/proc/self/exe");
        let (systemd, sockets) = (BusConnection::default(), Arc::default());
        Self { systemd, sockets, program, control_groups: true }
    }
}
