//! The asynchronous runtime of commands that talk to hosts.

use std::future::Future;
use std::io;

use explain::Explain;

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
#[error("start the asynchronous runtime")]
pub struct RuntimeError(#[from] io::Error);

impl Explain for RuntimeError {}

/// Runs a future to its end on a runtime of its own.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, RuntimeError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    Ok(runtime.block_on(future))
}
