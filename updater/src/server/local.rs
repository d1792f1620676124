//! The local socket, for an operator on the host when the master is gone. Only root, or
//! the updater's own user, can open it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use listener::{Limits, Refusal, serve_connection};
use tokio::net::UnixListener;
use tokio::runtime::Handle;

use crate::server::{Caller, Who};
use crate::sys::spawn_task;

/// Its name in the state directory.
pub const LOCAL_SOCKET: &str = "updater.sock";

/// Numbers of local connections are far from those of the network.
static NUMBERS: AtomicU64 = AtomicU64::new(1 << 62);

/// Binds the socket and serves until the process ends.
pub fn serve_local(
    state_dir: &Path,
    router: Router,
    limits: Limits,
    refusal: Refusal,
) -> io::Result<()> {
    let listener = bind(&state_dir.join(LOCAL_SOCKET))?;
    spawn_task(&Handle::current(), "the local socket", async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, mostly: those who leave make room.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            };
            let router = router.clone();
            let connection = NUMBERS.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let caller = Caller { who: Who::Local, connection };
                serve_connection(stream, router, caller, &limits, refusal).await;
            });
        }
    });
    Ok(())
}

/// A socket that a dead updater left is replaced. To open one takes the right to write to it, and the
/// umask that updaters are started with leaves that to no other user from the first moment.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
