//! What an updater has to have before it serves: its identity, its own release, its apps as the disk has
//! them. It blocks, and asks nothing of systemd.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use listener::{AcceptSwitch, Limits};
use pki::{Identity, Paths};
use rustls::ServerConfig;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::starter::listen_to_starter;
use super::{StartContext, StartError};
use crate::daemon::Daemon;
use crate::release::Layout;
use crate::runner::RunnerResources;
use crate::self_update::{Channel, OwnExecutable, SuccessorStarter, Takeover, Unit};
use crate::systemd::BusConnection;

/// An updater that is about to serve.
pub(super) struct Prepared {
    pub(super) daemon: Arc<Daemon>,
    pub(super) takeover: Arc<Takeover>,
    pub(super) starter: Option<Arc<Channel>>,
    /// Whether an older updater is still in charge.
    pub(super) candidate: bool,
    pub(super) socket: TcpListener,
    pub(super) tls: Arc<ServerConfig>,
    pub(super) gate: AcceptSwitch,
    pub(super) limits: Limits,
    pub(super) state_dir: PathBuf,
}

pub(super) fn prepare(context: StartContext, handle: &Handle) -> Result<Prepared, StartError> {
    let StartContext { config, path, environment, socket, sockets, starter } = context;
    let sockets = Arc::new(sockets);
    let identity = Identity::load(&Paths::updater(&config.identity))?;
    let tls = pki::server_config(&identity)?;
    let host = identity.role().host().cloned().ok_or(StartError::NoHost)?;
    let own = OwnExecutable::find(&Layout::new(&config.self_update.install_dir))
        .map_err(StartError::Executable)?;
    let listening = socket.local_addr().ok().filter(|now| config.listen.parse() == Ok(*now));
    let (said, heard) = mpsc::unbounded_channel();
    if let Some(starter) = &starter {
        listen_to_starter(Arc::clone(starter), said.clone()).map_err(StartError::Threads)?;
    }
    let successors = match &starter {
        Some(parent) if !environment.is_unit() => SuccessorStarter::Parent(Arc::clone(parent)),
        _ => {
            let passed_on = socket.try_clone().map_err(StartError::Socket)?;
            let inherited = environment.for_successor();
            let sockets = Arc::clone(&sockets);
            SuccessorStarter::Unit(Unit::new(path.clone(), inherited, passed_on, sockets, said))
        }
    };
    socket.set_nonblocking(true).map_err(StartError::Socket)?;
    let gate = AcceptSwitch::new(true);
    let takeover =
        Takeover::new(successors, heard, gate.clone(), path.clone(), listening, handle.clone());
    let (limits, state_dir) = (Limits::from(&config.limits), config.state_dir.clone());
    let systemd = BusConnection::new(environment.bus_address());
    let resources = RunnerResources { systemd, sockets, ..RunnerResources::default() };
    let candidate = environment.is_candidate();
    let daemon =
        Daemon::new(config, path, host, own, Arc::clone(&takeover), resources, candidate, handle)?;
    Ok(Prepared { daemon, takeover, starter, candidate, socket, tls, gate, limits, state_dir })
}
