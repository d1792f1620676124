//! Work that goes on beside everything else: loops that never end, transactions, whatever no request waits
//! for.
//!
//! One rule for all of it: work that panics is logged as an error, and ends the updater, which systemd or
//! the parent starts again. A panic is a fault of the updater, after which nothing is known of what is in
//! memory: a loop that were started again on it could do to an agent what no test has ever seen. What is
//! on the disk is known, and the start from there is the one way back that every checkpoint is tested for.
//! Agents, their sockets and their connections outlive it; the pauses between two starts are kept by the
//! process that starts it; and the rescue unit goes back from a release of the updater that goes on dying.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use futures_util::FutureExt as _;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Lets an asynchronous task go on beside.
pub fn spawn_task(
    handle: &Handle,
    name: impl Into<String>,
    work: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let name = name.into();
    handle.spawn(async move {
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        ended.unwrap_or_else(|panic| end(&name, &*panic));
    })
}

/// Starts a thread. The name of its work is the one that `thread` gives it.
pub fn spawn_thread<T: Send + 'static>(
    thread: thread::Builder,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    thread.spawn(move || {
        let ended = catch_unwind(AssertUnwindSafe(work));
        ended.unwrap_or_else(|panic| {
            let current = thread::current();
            end(current.name().unwrap_or("a thread"), &*panic)
        })
    })
}

/// Does what blocks on a thread that may, and waits for it.
pub async fn blocking<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let done = tokio::task::spawn_blocking(move || {
        let ended = catch_unwind(AssertUnwindSafe(work));
        ended.unwrap_or_else(|panic| end(name, &*panic))
    });
    match done.await {
        Ok(done) => done,
        // The runtime is being shut down, and this with it.
        Err(_) => std::future::pending().await,
    }
}

fn end(name: &str, panic: &(dyn Any + Send)) -> ! {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!("{name} panicked, so the updater ends: {}", text.unwrap_or("no reason given"));
    // Not `exit`, which would run what other threads still need.
    std::process::abort()
}
