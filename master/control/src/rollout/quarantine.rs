//! A release that failed on a host, and that may go out again.

use protocol::Digest;
use serde_json::json;
use store::{Event, EventType, Store, StoreError};
use time::OffsetDateTime;

/// Lifts the quarantine of a release, with the reason; whether there was one.
pub fn forgive(
    store: &Store,
    release: Digest,
    because: &str,
    who: &str,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let event = Event {
        release: Some(release),
        data: json!({"because": because}),
        ..Event::new(EventType::ReleaseForgiven, now, who)
    };
    store.forgive(&release, &event)
}
