//! `updater run`: the parent, and the updater proper that it starts.

use std::fs;
use std::io::IsTerminal as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pki::{Identity, Paths};
use protocol::AppName;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::api::{local_router, router};
use crate::cli::args::Common;
use crate::cli::errors::CliError;
use crate::config::Config;
use crate::daemon::Daemon;
use crate::own::{
    CANDIDATE, CHANNEL_FD, Channel, FromParent, LISTEN_FD, OwnExecutable, Takeover, ToParent,
    run_parent,
};
use crate::release::Layout;
use crate::server::{Gate, serve, serve_local};
use crate::sys::adopt_descriptor;

pub(super) fn run(asked: &Common) -> Result<bool, CliError> {
    let path = fs::canonicalize(&asked.config).unwrap_or_else(|_| asked.config.clone());
    let config = Config::load(&path)?;
    start_logging();
    if std::env::var_os(LISTEN_FD).is_some() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(updater(config, path))?;
        return Ok(true);
    }
    // What would stop every updater is said once, before the first is started.
    Identity::load(&Paths::updater(&config.identity))?;
    prepare_state_dir(&config.state_dir, config.apps.keys())?;
    run_parent(Layout::new(&config.own.install_dir), path, &config.listen)?;
    Ok(true)
}

/// The updater proper: serves, and is in charge of the apps at once, or when the old one is gone.
async fn updater(config: Config, path: PathBuf) -> Result<(), CliError> {
    let identity = Identity::load(&Paths::updater(&config.identity))?;
    let tls = pki::server_config(&identity)?;
    let host = identity.role().host().cloned().ok_or("find a host in the identity's role")?;
    let own = OwnExecutable::find(&Layout::new(&config.own.install_dir))?;
    let listener = std::net::TcpListener::from(adopt_descriptor(LISTEN_FD)?);
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let channel = Arc::new(Channel::from(adopt_descriptor(CHANNEL_FD)?));
    let (said, heard) = mpsc::unbounded_channel();
    listen_to_parent(Arc::clone(&channel), said)?;

    let (limits, state_dir) = (config.limits.clone(), config.state_dir.clone());
    let gate = Gate::new(true);
    let handle = tokio::runtime::Handle::current();
    let candidate = std::env::var_os(CANDIDATE).is_some();
    let takeover = Takeover::new(Arc::clone(&channel), heard, gate.clone(), path, handle.clone());
    let daemon = Daemon::new(config, host, own, Arc::clone(&takeover), &handle)?;
    let routes = router(Arc::clone(&daemon));
    if !candidate {
        daemon.take_charge();
    }
    let serving = tokio::spawn(serve(listener, tls, routes, limits.clone(), gate));
    channel.send(&ToParent::Ready)?;
    if candidate {
        daemon.master_was_answered().await;
        channel.send(&ToParent::Answered)?;
        takeover.in_charge().await?;
        daemon.take_charge();
    }
    serve_local(&state_dir, local_router(Arc::clone(&daemon)), limits)?;
    tracing::info!(host = %daemon.host, digest = %daemon.digest, "in charge");
    serving.await?;
    Ok(())
}

fn listen_to_parent(
    channel: Arc<Channel>,
    said: mpsc::UnboundedSender<FromParent>,
) -> std::io::Result<()> {
    let listening = move || {
        while let Ok(message) = channel.receive() {
            if said.send(message).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("parent".to_owned()).spawn(listening)?;
    Ok(())
}

/// Evidence and journals are nobody else's business. Builds pass through to their caches.
fn prepare_state_dir<'a>(
    state_dir: &Path,
    apps: impl Iterator<Item = &'a AppName>,
) -> std::io::Result<()> {
    let all = state_dir.join("apps");
    let each: Vec<_> = apps.map(|app| all.join(app.as_str())).collect();
    for directory in [state_dir, all.as_path()].into_iter().chain(each.iter().map(PathBuf::as_path))
    {
        fs::create_dir_all(directory)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o711))?;
    }
    Ok(())
}

fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("UPDATER_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}
