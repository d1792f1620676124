//! Ctrl-C, and the signals that mean the same: how they are heard, and how work that blocks is ended by
//! them.
//!
//! What is interrupted decides itself what it leaves; nothing here ends the process.

mod blocking;
mod cancel;
mod signals;

pub use blocking::{BlockingError, run_blocking};
#[cfg(test)]
pub(crate) use cancel::undisturbed;
pub use cancel::{CancelOnDrop, CancelToken, Cancelled, cancellation};
pub use signals::{Interrupt, ListenError};
