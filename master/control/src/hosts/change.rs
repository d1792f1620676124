//! What is changed of a host that is in the fleet. Each change is in its history, with who made it.

use std::collections::BTreeMap;

use protocol::HostName;
use serde_json::json;
use store::{Event, EventType, Store, StoreError};
use time::OffsetDateTime;

/// Sets some labels of a host and takes others away; gives back all that it has then.
pub fn label(
    store: &Store,
    host: &HostName,
    (set, removed): (&BTreeMap<String, String>, &[String]),
    who: &str,
    now: OffsetDateTime,
) -> Result<BTreeMap<String, String>, StoreError> {
    let event = Event {
        host: Some(host.clone()),
        data: json!({"set": set, "removed": removed}),
        ..Event::new(EventType::HostLabelled, now, who)
    };
    store.label(host, set, removed, &event)
}

/// Takes a host out of the fleet. What it did stays in the history.
pub fn decommission(
    store: &Store,
    host: &HostName,
    who: &str,
    now: OffsetDateTime,
) -> Result<Event, StoreError> {
    let event =
        Event { host: Some(host.clone()), ..Event::new(EventType::HostDecommissioned, now, who) };
    store.decommission(host, &event)?;
    Ok(event)
}
