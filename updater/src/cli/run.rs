//! `updater run`: the updater proper, as a unit of systemd; elsewhere the parent, and the updater that
//! it starts.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use listener::{AcceptSwitch, Limits};
use pki::{Identity, Paths};
use protocol::AppName;
use tokio::sync::mpsc;

use crate::api::{local_router, router};
use crate::cli::args::Common;
use crate::cli::errors::CliError;
use crate::cli::logging;
use crate::config::Config;
use crate::daemon::Daemon;
use crate::release::Layout;
use crate::self_update::{
    CANDIDATE, CHANNEL_FD, Channel, ChannelError, FromParent, LISTEN_FD, OwnExecutable,
    SocketStore, SuccessorStarter, Takeover, ToParent, Unit, become_active, listening_socket,
    manager, run_parent,
};
use crate::server::{Caller, serve_local};
use crate::sys::adopt_descriptor;

pub(super) fn run(asked: &Common) -> Result<bool, CliError> {
    let path = fs::canonicalize(&asked.config).unwrap_or_else(|_| asked.config.clone());
    logging::start();
    if std::env::var_os(LISTEN_FD).is_some() {
        let config = Config::load(&path).map_err(CliError::of_host)?;
        let socket = TcpListener::from(adopt_descriptor(LISTEN_FD)?);
        let starter = Some(Arc::new(Channel::from(adopt_descriptor(CHANNEL_FD)?)));
        let (sockets, _) = SocketStore::passed()?;
        return run_updater(StartContext { config, path, socket, sockets, starter });
    }
    if manager::is_unit() {
        become_active(&path);
    }
    let config = Config::load(&path).map_err(CliError::of_host)?;
    // What would stop every updater is said once, before the first is started.
    Identity::load(&Paths::updater(&config.identity)).map_err(CliError::of_host)?;
    prepare_state_dir(&config.state_dir, config.apps.keys()).map_err(CliError::of_host)?;
    let (sockets, others) = SocketStore::passed()?;
    let socket = listening_socket(others, &config.listen).map_err(CliError::of_host)?;
    if manager::is_unit() {
        return run_updater(StartContext { config, path, socket, sockets, starter: None });
    }
    run_parent(Layout::new(&config.self_update.install_dir), path, socket)?;
    Ok(true)
}

/// What the disk keeps an updater from.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("make the directory {}", .directory.display())]
    State { directory: PathBuf, source: io::Error },
    #[error("find out which release this updater is of")]
    Own(#[source] io::Error),
}

/// What an updater is started with.
struct StartContext {
    config: Config,
    path: PathBuf,
    socket: TcpListener,
    /// What apps listen on, as far as it was handed down.
    sockets: SocketStore,
    /// Who started it: the parent, or, in a unit, the updater before it. Of a unit's first, nobody.
    starter: Option<Arc<Channel>>,
}

fn run_updater(post: StartContext) -> Result<bool, CliError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(async {
        tokio::select! {
            served = updater(post) => served,
            () = asked_to_end() => Ok(()),
        }
    });
    // What is under way is on the disk: the next updater goes on with it.
    runtime.shutdown_background();
    served.map(|()| true)
}

/// The updater proper: serves, and is in charge of the apps at once, or when the old one is gone.
async fn updater(post: StartContext) -> Result<(), CliError> {
    let StartContext { config, path, socket, sockets, starter } = post;
    let sockets = Arc::new(sockets);
    let identity = Identity::load(&Paths::updater(&config.identity)).map_err(CliError::of_host)?;
    let tls = pki::server_config(&identity)?;
    let host = identity.role().host().cloned().ok_or("find a host in the identity's role")?;
    let own = OwnExecutable::find(&Layout::new(&config.self_update.install_dir))
        .map_err(StartError::Own)?;
    let listening = socket.local_addr().ok().filter(|now| config.listen.parse() == Ok(*now));
    let (said, heard) = mpsc::unbounded_channel();
    if let Some(starter) = &starter {
        listen_to_starter(Arc::clone(starter), said.clone())?;
    }
    let seat = match &starter {
        Some(parent) if !manager::is_unit() => SuccessorStarter::Parent(Arc::clone(parent)),
        _ => {
            let (path, socket) = (path.clone(), socket.try_clone()?);
            SuccessorStarter::Unit(Unit::new(path, socket, Arc::clone(&sockets), said))
        }
    };
    socket.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(socket)?;

    let (limits, state_dir) = (Limits::from(&config.limits), config.state_dir.clone());
    let gate = AcceptSwitch::new(true);
    let handle = tokio::runtime::Handle::current();
    let candidate = std::env::var_os(CANDIDATE).is_some();
    let takeover =
        Takeover::new(seat, heard, gate.clone(), path.clone(), listening, handle.clone());
    // A user or a key that is not there: no other release of the updater would find it.
    let daemon = Daemon::new(config, path, host, own, Arc::clone(&takeover), sockets, &handle)
        .map_err(CliError::of_host)?;
    let routes = router(Arc::clone(&daemon));
    if !candidate {
        daemon.take_charge();
    }
    let serving = listener::serve(listener, tls, routes, limits, gate, Caller::of_peer);
    let serving = tokio::spawn(serving);
    let tell_starter = |message| starter.as_ref().map_or(Ok(()), |starter| starter.send(&message));
    tell_starter(ToParent::Ready)?;
    if candidate {
        daemon.master_was_answered().await;
        tell_starter(ToParent::Answered)?;
        takeover.in_charge().await?;
        daemon.take_charge();
    }
    serve_local(&state_dir, local_router(Arc::clone(&daemon)), limits)?;
    tracing::info!(
        host = %daemon.host, digest = %daemon.digest,
        "in charge of {}, as release {}", daemon.host, daemon.digest.short()
    );
    manager::ready(&format!("{}, release {}", daemon.host, daemon.digest.short()));
    daemon.begin();
    tokio::spawn(manager::feed_watchdog());
    serving.await?;
    Ok(())
}

/// TERM, in a unit. Beneath a parent an updater is killed: nothing of it has to be put in order.
async fn asked_to_end() {
    let asked = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    match asked {
        Ok(mut asked) if manager::is_unit() => {
            asked.recv().await;
            tracing::info!("ended by SIGTERM; agents run on");
            manager::stopping();
        }
        _ => std::future::pending().await,
    }
}

#[expect(clippy::exit, reason = "it has to end though the runtime may hang")]
fn listen_to_starter(
    starter: Arc<Channel>,
    said: mpsc::UnboundedSender<FromParent>,
) -> io::Result<()> {
    let listening = move || {
        let mut inherits = false;
        loop {
            match starter.receive() {
                Ok(FromParent::Inherit) => inherits = true,
                Ok(message) => drop(said.send(message)),
                Err(ChannelError::Malformed(_)) => {}
                Err(ChannelError::Io(_)) if inherits => {
                    let _ = said.send(FromParent::InCharge);
                    return;
                }
                // Whoever started it is gone, and has left it nothing.
                Err(ChannelError::Io(_)) => std::process::exit(1),
            }
        }
    };
    std::thread::Builder::new().name("starter".to_owned()).spawn(listening)?;
    Ok(())
}

/// Evidence and journals are nobody else's business. Builds pass through to their caches.
fn prepare_state_dir<'a>(
    state_dir: &Path,
    apps: impl Iterator<Item = &'a AppName>,
) -> Result<(), StartError> {
    let all = state_dir.join("apps");
    let each: Vec<_> = apps.map(|app| all.join(app.as_str())).collect();
    for directory in [state_dir, all.as_path()].into_iter().chain(each.iter().map(PathBuf::as_path))
    {
        fs::create_dir_all(directory)
            .and_then(|()| fs::set_permissions(directory, fs::Permissions::from_mode(0o711)))
            .map_err(|source| StartError::State { directory: directory.to_owned(), source })?;
    }
    Ok(())
}
