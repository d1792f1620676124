//! What an updater is started with.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Config;
use crate::environment::Environment;
use crate::runner::SocketStore;
use crate::self_update::Channel;

/// What an updater is started with.
pub struct StartContext {
    pub config: Config,
    /// The file of the configuration.
    pub path: PathBuf,
    pub environment: Environment,
    pub socket: TcpListener,
    /// What apps listen on, as far as it was handed down.
    pub sockets: SocketStore,
    /// The process that started it: the parent, or, in a unit, the updater before it. A unit's first
    /// updater has none.
    pub starter: Option<Arc<Channel>>,
}
