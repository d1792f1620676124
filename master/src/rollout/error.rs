//! What can go wrong with a rollout as a whole. What goes wrong on a host is its row.

use std::io;

use crate::output::Explain;
use crate::store::StoreError;

/// Why a rollout did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// What happens can't be written down.
    #[error("write down what happens in the rollout")]
    Store(#[from] StoreError),
    /// Ctrl-C would kill it half way.
    #[error("listen to signals")]
    Signals(#[from] io::Error),
}

impl Explain for RolloutError {}
