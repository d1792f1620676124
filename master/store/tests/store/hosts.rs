//! What the store keeps of hosts.

use std::collections::BTreeMap;

use pki::Fingerprint;
use store::{Certificate, Event, EventType, Events, Host, Pinned, Store, StoreError};
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
fn each_certificate_of_a_renewal_is_good_until_a_later_one_is_shown() {
    let (_directory, store) = path_and_store();
    let fingerprint =
        |fill: usize| format!("{fill:02x}").repeat(32).parse::<Fingerprint>().unwrap();
    let certificate = |fill| Certificate {
        fingerprint: fingerprint(fill),
        role: "updater".to_owned(),
        issued_at: at(0),
        not_after: at(9),
    };
    let pinned = Pinned { current: Some(fingerprint(1)), ..Pinned::default() };
    let host = Host { pinned, ..host("web-1", &[]) };
    let event = Event::new(EventType::HostEnrolled, at(0), "ada");
    let renewed = || Event::new(EventType::HostRenewed, at(1), "ada");
    store.enroll(&host, &[certificate(1)], &event, || Ok::<_, StoreError>(())).unwrap();
    let renew = |fill| {
        let current = store.host(&host.name).unwrap().pinned.current;
        let pinned = Pinned { current, next: Some(fingerprint(fill)), ..Pinned::default() };
        let files = || Ok::<_, StoreError>(());
        store.renew_host(&host.name, &pinned, &[certificate(fill)], &renewed(), files).unwrap();
    };
    let pins = || {
        let host = store.host(&host.name).unwrap();
        assert_eq!(store.hosts().unwrap()[0], host);
        host.pinned.all().map(|it| it.to_string()[..2].to_owned()).collect::<Vec<_>>()
    };
    renew(2);
    renew(3);
    assert_eq!(pins(), ["01", "03", "02"]);
    let shows = |fill| store.use_certificate(&host.name, &fingerprint(fill), &renewed()).unwrap();
    assert!(!shows(1) && shows(2));
    assert_eq!(pins(), ["02", "03"]);
    // One that was never issued, or that is replaced, does not come back.
    assert!(!shows(9) && !shows(1));
    assert!(shows(3) && !shows(3));
    assert_eq!(pins(), ["03"]);
    // There is no end to renewals, but one to what is taken.
    for fill in 4..=9 {
        renew(fill);
    }
    assert_eq!(pins(), ["03", "09", "08", "07", "06"]);
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
