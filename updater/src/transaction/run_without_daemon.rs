//! An order that is carried out by a process which serves no API.

use std::sync::Arc;

use futures_util::StreamExt as _;
use protocol::{Event, EventKind, TransactionResult};

use super::{Admission, App, EventFilter, Failure, Order};

/// Begins an order and waits for its end. `hear` is given what happens on the way. `None` if it
/// ended without a result.
pub async fn run_without_daemon(
    app: &Arc<App>,
    order: Order,
    mut hear: impl FnMut(&Event),
) -> Result<Option<TransactionResult>, Failure> {
    let after = app.status.last_event();
    if let Admission::AlreadyCurrent(result) = app.begin(order)? {
        return Ok(Some(*result));
    }
    let filter = EventFilter { after, ..EventFilter::default() };
    let mut events = Box::pin(app.status.listen(filter));
    while let Some(event) = events.next().await {
        hear(&event);
        if let EventKind::Result(result) = event.kind {
            return Ok(Some(*result));
        }
    }
    Ok(None)
}
