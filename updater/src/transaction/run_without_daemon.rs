//! An order that is carried out by a process which serves nobody.

use std::sync::Arc;

use futures_util::StreamExt as _;
use protocol::{Event, EventKind, Problem, TransactionResult};

use crate::transaction::{App, Begun, Order, Wanted};

/// Begins an order and waits for its end. `hear` is given what happens on the way. `None` if it
/// ended without a result.
pub async fn carry_out(
    app: &Arc<App>,
    order: Order,
    mut hear: impl FnMut(&Event),
) -> Result<Option<TransactionResult>, Box<Problem>> {
    let after = app.events.last();
    if let Begun::Current(result) = app.begin(order)? {
        return Ok(Some(*result));
    }
    let mut events = Box::pin(app.listen(Wanted { after, ..Wanted::default() }));
    while let Some(event) = events.next().await {
        hear(&event);
        if let EventKind::Result(result) = event.kind {
            return Ok(Some(*result));
        }
    }
    Ok(None)
}
