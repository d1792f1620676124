//! The asynchronous runtime of commands that talk to hosts, or that Ctrl-C ends before they are done.

use std::future::Future;
use std::io;
use std::time::Duration;

use control::interrupt::{CancelToken, Interrupt, run_blocking};
use explain::{Explain, Failure};

/// How long a thread is waited for that a command has left behind. There is none unless the operator
/// has asked twice to stop: whatever else runs has no thread of its own, and ends at once.
const LEFT_BEHIND: Duration = Duration::from_secs(2);

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
#[error("start the asynchronous runtime")]
pub struct RuntimeError(#[from] io::Error);

impl Explain for RuntimeError {}

/// Runs a future to its end on a runtime of its own.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, RuntimeError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let output = runtime.block_on(future);
    runtime.shutdown_timeout(LEFT_BEHIND);
    Ok(output)
}

/// Does work that blocks, and cancels it when the operator asks to stop.
pub(super) fn interruptible<T: Send + 'static>(
    work: impl FnOnce(&CancelToken) -> T + Send + 'static,
) -> Result<T, Failure> {
    block_on(async { Ok(run_blocking(&Interrupt::listen()?, work).await?) })?
}
