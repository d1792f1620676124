//! The running updater: its apps, its epoch, and what it says of itself.

mod drill;
mod epoch;
mod probe_rounds;
mod state;
mod supervisor;

pub use epoch::{Epoch, EpochError};
pub use state::{Daemon, DaemonError};
