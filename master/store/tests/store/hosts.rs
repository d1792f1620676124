//! What the store keeps of hosts.

use std::collections::BTreeMap;

use store::{Event, EventType, Events, Host, Pinned, Store, StoreError};
use testing::{at, host, path_and_store};

fn enroll(store: &Store, host: &Host) -> Result<(), StoreError> {
    let event = Event {
        host: Some(host.name.clone()),
        ..Event::new(EventType::HostEnrolled, host.enrolled_at, "ada")
    };
    store.enroll(host, &[], &event, || Ok(()))
}

#[test]
fn lesson_45_state_survives_a_restart() {
    let (directory, store) = path_and_store();
    let host = Host {
        agent_port: Some(8765),
        sans: vec!["web.example.org".to_owned()],
        notes: Some("rack 3".to_owned()),
        ..host("web-1", &["role=web", "zone=a"])
    };
    enroll(&store, &host).unwrap();
    drop(store);
    let store = Store::open(&directory.path().join("swarm.db")).unwrap();
    assert_eq!(store.host(&host.name).unwrap(), host);
    assert_eq!(store.hosts().unwrap(), [host]);
}

#[test]
fn a_host_is_recorded_with_its_files_or_not_at_all() {
    let (_directory, store) = path_and_store();
    let host = host("web-1", &[]);
    let event = Event::new(EventType::HostEnrolled, at(0), "ada");
    let failed = || Err(StoreError::Foreign("disk full".into()));
    assert!(store.enroll(&host, &[], &event, failed).is_err());
    assert!(store.hosts().unwrap().is_empty());
    assert!(store.events(Events::All, 10).unwrap().is_empty());
}

#[test]
fn a_name_is_taken_until_its_host_is_decommissioned() {
    let (_directory, store) = path_and_store();
    let host = host("web-1", &["role=web"]);
    enroll(&store, &host).unwrap();
    assert!(matches!(enroll(&store, &host), Err(StoreError::HostExists(_))));
    let event = Event {
        host: Some(host.name.clone()),
        ..Event::new(EventType::HostDecommissioned, at(7), "ada")
    };
    store.decommission(&host.name, &event).unwrap();
    let gone = store.host(&host.name).unwrap();
    assert_eq!(gone.decommissioned_at, Some(at(7)));
    assert_eq!(gone.pinned, Pinned::default(), "its certificate is not taken any more");
    assert!(matches!(store.decommission(&host.name, &event), Err(StoreError::Decommissioned(_))));
    enroll(&store, &host).unwrap();
    assert_eq!(store.host(&host.name).unwrap(), host);
    assert_eq!(store.events(Events::Host(&host.name), 10).unwrap().len(), 3);
}

#[test]
fn labels_are_set_and_removed() {
    let (_directory, store) = path_and_store();
    let host = host("web-1", &["role=web", "zone=a"]);
    enroll(&store, &host).unwrap();
    let event = Event::new(EventType::HostLabelled, at(1), "ada");
    let set = BTreeMap::from([("role".to_owned(), "db".to_owned())]);
    let labels = store.label(&host.name, &set, &["zone".to_owned()], &event).unwrap();
    assert_eq!(labels, set);
}

#[test]
fn an_unknown_host_is_told_the_nearest() {
    let (_directory, store) = path_and_store();
    enroll(&store, &host("web-1", &[])).unwrap();
    let error = store.host(&"wbe-1".parse().unwrap()).unwrap_err();
    assert!(
        matches!(error, StoreError::UnknownHost { nearest: Some(name), .. } if name == "web-1")
    );
}
