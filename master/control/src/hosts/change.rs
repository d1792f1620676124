//! What is changed of a host that is in the fleet. Each change is in its history, with who made it.

use std::collections::BTreeMap;

use protocol::HostName;
use serde_json::json;
use store::{Event, EventType, Hold, Host, HostChange, Store, StoreError};
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

/// Changes where a host is reached and what is noted of it; gives it back as it is then.
pub fn change(
    store: &Store,
    host: &HostName,
    change: &HostChange,
    who: &str,
    now: OffsetDateTime,
) -> Result<Host, StoreError> {
    let event = Event {
        host: Some(host.clone()),
        data: json!(change),
        ..Event::new(EventType::HostChanged, now, who)
    };
    store.change_host(host, change, &event)
}

/// Keeps a host out of every rollout, until it is let go or the time has come.
pub fn hold(store: &Store, host: &HostName, hold: &Hold) -> Result<(), StoreError> {
    let event = Event {
        host: Some(host.clone()),
        data: json!(hold),
        ..Event::new(EventType::HostHeld, hold.since, &hold.who)
    };
    store.hold(host, hold, &event)
}

/// Lets a host take part again; false if it was not held.
pub fn unhold(
    store: &Store,
    host: &HostName,
    who: &str,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let event = Event { host: Some(host.clone()), ..Event::new(EventType::HostUnheld, now, who) };
    store.unhold(host, &event)
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
