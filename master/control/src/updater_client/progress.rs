//! What a host does while an order runs, as it is passed on to the caller.

use std::sync::Arc;

use protocol::{Event, Phase};

/// One step of an order.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderProgress {
    /// So much of the archive went out.
    ArchiveSent { bytes: u64, total: u64 },
    /// The updater said what it does.
    Event(Box<Event>),
    /// The updater said on being asked what it does: its stream was silent, or broke.
    Polled(Phase),
    /// The updater itself is being replaced now.
    SelfUpdateBegun,
}

/// Is called with each step, from the order's own task. It must not block.
pub type ProgressCallback = Arc<dyn Fn(OrderProgress) + Send + Sync>;
