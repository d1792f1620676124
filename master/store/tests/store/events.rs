//! Events come back as they were recorded.

use serde_json::json;

use protocol::{Digest, HostName};
use store::{Event, EventType, Events, RolloutId};
use testing::{at, path_and_store};

#[test]
fn the_last_events_come_in_the_order_in_which_they_were_recorded() {
    let (_directory, store) = path_and_store();
    let host: HostName = "web-1".parse().unwrap();
    let rollout = RolloutId::new();
    let event = |kind, seconds, host: Option<&HostName>, rollout| Event {
        host: host.cloned(),
        rollout,
        release: Some(Digest::from_bytes([7; 32])),
        data: json!({"seconds": seconds}),
        ..Event::new(kind, at(seconds), "ada")
    };
    let events = [
        event(EventType::RolloutStarted, 3, None, Some(rollout)),
        event(EventType::HostUpdated, 2, Some(&host), Some(rollout)),
        event(EventType::HostDrifted, 1, Some(&host), None),
    ];
    for event in &events {
        store.record_event(event).unwrap();
    }
    assert_eq!(store.events(Events::All, 2).unwrap(), events[1..]);
    assert_eq!(store.events(Events::Host(&host), 9).unwrap(), events[1..]);
    assert_eq!(store.events(Events::Rollout(rollout), 9).unwrap(), events[..2]);
}

#[test]
fn an_event_has_one_form_on_every_wire() {
    let id = "019a5c26-0000-7000-8000-000000000001";
    let event = Event {
        id: id.parse().unwrap(),
        host: Some("web-1".parse().unwrap()),
        ..Event::new(EventType::HostEnrolled, at(0), "ada")
    };
    let text = serde_json::to_string(&event).unwrap();
    insta::assert_snapshot!(text, @r#"{"id":"019a5c26-0000-7000-8000-000000000001","type":"host.enrolled","time":"2026-01-02T03:04:05Z","who":"ada","host":"web-1"}"#);
    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
}
