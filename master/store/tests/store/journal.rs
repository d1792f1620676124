//! A rollout's journal: all of an entry is kept, or nothing.

use engine::RolloutResult;
use protocol::{Digest, HostOutcome, Kind, TransactionId};
use serde_json::json;
use store::{
    Appended, Claim, Entry, Event, EventType, Events, HostResultRecord, Locked, Planned, Position,
    Rollout, RolloutId, Started, Store,
};
use testing::{at, path_and_store, rollout};
use uuid::Uuid;

fn begin(store: &Store, hosts: &[&str]) -> (Rollout, Started) {
    let rollout = Rollout { id: RolloutId::new(), ..rollout() };
    let hosts: Vec<_> = hosts.iter().map(|host| host.parse().unwrap()).collect();
    let planned = Event::new(EventType::RolloutPlanned, at(0), "ada");
    let planned = Event { rollout: Some(rollout.id), ..planned };
    let with = Planned { plan: json!({"format": 1}), sources: json!({}) };
    let started = store.start_rollout(&rollout, &with, &hosts, &planned).unwrap();
    (rollout, started)
}

fn claim(pid: u32) -> Claim {
    Claim { who: "ada".to_owned(), machine: "m".to_owned(), pid, started: 1 }
}

fn entry(host: &str, outcome: HostOutcome) -> Entry {
    let result = HostResultRecord {
        host: host.parse().unwrap(),
        outcome,
        code: Some("build_failed".to_owned()),
        detail: Some("no such module".to_owned()),
        from: None,
        to: Some(Digest::from_bytes([8; 32])),
        target: None,
        needed: None,
        free: None,
        transaction: Some(TransactionId::new(Uuid::now_v7())),
        duration_ms: Some(1200),
    };
    Entry {
        time: at(1),
        event: json!({"event": "tick"}),
        told: vec![Event::new(EventType::HostUpdated, at(1), "ada")],
        results: vec![result],
        desired: Vec::new(),
        quarantined: None,
        forgiven: None,
        state: "running",
        ended: None,
    }
}

fn position(rollout: &Rollout, after: u64) -> Position<'static> {
    Position { rollout: rollout.id, after, lease: None }
}

#[test]
fn lesson_45_a_restarted_master_knows_what_it_rolled() {
    let (directory, store) = path_and_store();
    let (done, _) = begin(&store, &["web-1", "web-2"]);
    let one = entry("web-1", HostOutcome::Updated);
    let two = entry("web-2", HostOutcome::RolledBack);
    let ended = Some(RolloutResult::Failed);
    let last = Entry { time: at(9), state: "failed", ended, ..two.clone() };
    store.append(position(&done, 0), &one).unwrap();
    store.append(position(&done, 1), &last).unwrap();
    let (cut, started) = begin(&store, &["web-1"]);
    assert_eq!(started, Started::Yes, "the hosts of one that ended are free");
    drop(store);

    let store = Store::open(&directory.path().join("swarm.db")).unwrap();
    let state = "failed".to_owned();
    let done = Rollout { finished_at: Some(at(9)), result: ended, state, ..done };
    let all = [cut.clone(), done.clone()];
    assert_eq!(store.rollouts(false, 10).unwrap(), all, "the newest first, though of one instant");
    assert_eq!(store.rollouts(true, 10).unwrap(), all[..1], "of those that are not over");
    let results = [one.results, two.results].concat();
    assert_eq!(store.host_results(done.id).unwrap(), results);
    assert_eq!(store.journal(done.id, 1).unwrap(), [(at(9), json!({"event": "tick"}))]);
    assert_eq!(store.find_rollout(&cut.id.short()).unwrap(), cut);
    assert_eq!(
        store.find_rollout(&cut.id.short()[..6]).unwrap(),
        cut,
        "the beginning of what lists show"
    );
    let durations = store.durations(&done.app, Kind::Update, 9).unwrap();
    assert_eq!(durations, [("web-1".parse().unwrap(), 1200)]);
}

#[test]
fn lesson_49_a_host_is_in_one_rollout_at_a_time() {
    let (_directory, store) = path_and_store();
    let (first, _) = begin(&store, &["web-1", "web-2"]);
    let (_, second) = begin(&store, &["web-2", "web-3"]);
    let hosts = vec!["web-2".parse().unwrap()];
    assert_eq!(second, Started::Locked(Locked { rollout: first.id, hosts }));
    assert_eq!(store.holder(&"web-3".parse().unwrap()).unwrap(), None, "all or none");
    assert_eq!(begin(&store, &["web-3"]).1, Started::Yes);
    assert_eq!(store.rollouts(false, 9).unwrap().len(), 2);
}

#[test]
fn an_entry_stands_where_it_was_meant_to_or_nowhere() {
    let (_directory, store) = path_and_store();
    let (rollout, _) = begin(&store, &["web-1"]);
    let one = entry("web-1", HostOutcome::Updated);
    assert!(matches!(store.append(position(&rollout, 0), &one), Ok(Appended::Done(_))));
    assert_eq!(store.append(position(&rollout, 0), &one).unwrap(), Appended::Behind);
    assert_eq!(store.journal(rollout.id, 0).unwrap().len(), 1);
    assert_eq!(store.events(Events::All, 9).unwrap().len(), 2);
}

#[test]
fn a_lease_is_taken_over_from_the_dead_with_a_higher_epoch_and_from_nobody_else() {
    let (_directory, store) = path_and_store();
    let (rollout, _) = begin(&store, &["web-1"]);
    let (alive, dead) = (|_: &Claim| true, |_: &Claim| false);
    let take = |pid, lives: &dyn Fn(&Claim) -> bool, seconds| {
        store.take_lease(rollout.id, &claim(pid), lives, at(seconds)).unwrap()
    };
    let first = take(1, &alive, 0).unwrap();
    assert_eq!(take(2, &alive, 5).unwrap_err().claim, claim(1));
    assert!(store.renew_lease(&first, at(20)).unwrap());
    assert!(take(2, &alive, 40).is_err(), "it was renewed");
    let second = take(2, &dead, 41).unwrap();
    assert_eq!((first.epoch, second.epoch), (1, 2));
    let third = take(3, &alive, 41 + 31).unwrap();
    assert_eq!(third.epoch, 3, "silence is death, too");
    assert!(!store.renew_lease(&second, at(73)).unwrap());
    let lost = Position { lease: Some(&second), ..position(&rollout, 0) };
    let one = entry("web-1", HostOutcome::Updated);
    assert_eq!(store.append(lost, &one).unwrap(), Appended::LeaseLost);
    store.leave_lease(&third).unwrap();
    assert_eq!(take(4, &alive, 74).unwrap().epoch, 3, "nothing was taken over");
    assert_eq!(store.epoch().unwrap(), 3);
}

#[test]
fn lesson_48_a_release_that_failed_is_kept_away_until_somebody_forgives_it() {
    let (_directory, store) = path_and_store();
    let (rollout, _) = begin(&store, &["web-1"]);
    let release = Digest::from_bytes([7; 32]);
    let quarantined = Some((release, "web-1".parse().unwrap(), "it died".to_owned()));
    let bad = Entry { quarantined, ..entry("web-1", HostOutcome::RolledBack) };
    store.append(position(&rollout, 0), &bad).unwrap();
    let app = rollout.app.clone();
    let found = store.quarantined(&app, &release).unwrap().unwrap();
    assert_eq!((found.rollout, found.why.as_str()), (rollout.id, "it died"));
    // As another app it may be well: what failed may have been this one's port, or its user.
    let other = "another".parse().unwrap();
    assert_eq!(store.quarantined(&other, &release).unwrap(), None);
    assert!(store.quarantined_releases(&other).unwrap().is_empty());
    assert!(store.quarantined_releases(&app).unwrap().contains(&release));
    let forgiven = Event::new(EventType::ReleaseForgiven, at(2), "ada");
    assert!(store.forgive(&release, &forgiven).unwrap());
    assert!(!store.forgive(&release, &forgiven).unwrap());
    assert_eq!(store.quarantined(&app, &release).unwrap(), None);
}
