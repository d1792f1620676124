//! What the runners of all apps share, made once in a process and passed in.

use std::sync::Arc;

use super::SocketStore;
use crate::systemd::BusConnection;

/// The connection to systemd, and the listening sockets that the updater keeps for agents. Cheap to
/// clone.
#[derive(Debug, Clone, Default)]
pub struct RunnerResources {
    pub systemd: BusConnection,
    pub sockets: Arc<SocketStore>,
}
