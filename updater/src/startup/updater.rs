//! The updater proper, from its first moment to its last.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::prepare::{Prepared, prepare};
use super::{StartContext, StartError, note_orderly_end};
use crate::api::{local_router, refusal, router};
use crate::daemon::Daemon;
use crate::self_update::ToParent;
use crate::server::{Caller, serve_local};
use crate::sys::{blocking, spawn_task};
use crate::systemd::notify;

/// For so long connections wait in the socket's queue, so that the first answer says how the agents are.
/// Where systemd does not answer by then, what the disk says is told.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// How long a thread for what blocks is kept while there is nothing to do.
const KEPT_THREADS: Duration = Duration::from_mins(2);

/// Serves until SIGTERM, or until a successor is in charge.
pub fn run_updater(context: StartContext) -> Result<(), StartError> {
    let mut builder = Builder::new_multi_thread();
    // Longer than between two looks of a supervisor: there is always a thread for what blocks, also where
    // the system has no more to give.
    builder.thread_keep_alive(KEPT_THREADS);
    let runtime = builder.worker_threads(2).enable_all().build().map_err(StartError::Threads)?;
    let config = context.config.clone();
    let served = runtime.block_on(until_sigterm(updater(context)));
    if served.is_ok() {
        note_orderly_end(&config);
    }
    // What is under way is on the disk: the next updater goes on with it. What hangs is left behind.
    runtime.shutdown_background();
    served
}

async fn until_sigterm(
    serving: impl Future<Output = Result<(), StartError>>,
) -> Result<(), StartError> {
    let mut asked_to_end = signal(SignalKind::terminate()).map_err(StartError::Signal)?;
    tokio::select! {
        biased;
        _ = asked_to_end.recv() => {
            tracing::info!("ended by SIGTERM; agents run on");
            notify::stopping();
            Ok(())
        }
        served = serving => served,
    }
}

/// Serves, and is in charge of the apps at once, or when the old updater is gone.
async fn updater(context: StartContext) -> Result<(), StartError> {
    let handle = Handle::current();
    let prepared = blocking("the start", move || prepare(context, &Handle::current())).await?;
    let Prepared { daemon, takeover, starter, candidate, socket, tls, gate, limits, state_dir } =
        prepared;
    let socket = TcpListener::from_std(socket).map_err(StartError::Socket)?;
    let looking = look_or_take_charge(Arc::clone(&daemon), candidate);
    let mut looking = spawn_task(&handle, "the start", looking);
    let has_looked = timeout(ANSWERS_WITHIN, &mut looking).await.is_ok();
    if !has_looked {
        tracing::warn!("the start waits for systemd or a disk; it is answered what is known");
    }
    let routes = router(Arc::clone(&daemon));
    let serving = listener::serve(socket, tls, routes, limits, gate, refusal, Caller::of_peer);
    let serving = spawn_task(&handle, "the network", serving);
    let tell_starter = |message| starter.as_ref().map_or(Ok(()), |starter| starter.send(&message));
    tell_starter(ToParent::Ready)?;
    if candidate {
        daemon.master_was_answered().await;
        tell_starter(ToParent::Answered)?;
        takeover.in_charge().await?;
    }
    let local = local_router(Arc::clone(&daemon));
    serve_local(&state_dir, local, limits, refusal).map_err(StartError::LocalSocket)?;
    if !has_looked {
        let _ = looking.await;
    }
    if candidate {
        take_charge(&daemon).await;
    }
    tracing::info!(
        host = %daemon.host, digest = %daemon.digest,
        "in charge of {}, as release {}", daemon.host, daemon.digest.short()
    );
    notify::ready(&format!("{}, release {}", daemon.host, daemon.digest.short()));
    daemon.allow_starts();
    spawn_task(&handle, "the watchdog's feeding", notify::feed_watchdog());
    tokio::select! {
        _ = serving => {}
        // Unsaid, the parent starts what the link names, which is the successor too.
        () = daemon.updater_app.successor_proven() => drop(takeover.leave()),
    }
    Ok(())
}

/// A candidate only looks how the agents are: the older updater owns them.
async fn look_or_take_charge(daemon: Arc<Daemon>, candidate: bool) {
    if candidate {
        blocking("the look at the apps", move || daemon.refresh()).await;
    } else {
        take_charge(&daemon).await;
    }
}

async fn take_charge(daemon: &Arc<Daemon>) {
    let daemon = Arc::clone(daemon);
    blocking("taking charge", move || daemon.take_charge()).await;
}
