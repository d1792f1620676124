//! Events come back as they were recorded.

use serde_json::json;

use std::fmt::Write as _;

use engine::{
    Gate, HostResult, HostStep, Notice, NoticeBody, OnTrip, QuarantineScope, Question,
    RolloutResult, Trip, UpdatingSelf,
};
use protocol::{Digest, HostName, HostOutcome, Kind, Phase};
use store::{Event, EventType, Events, RolloutId};
use testing::{at, path_and_store, plan_of, policy};

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

/// One of each kind.
fn notices() -> Vec<Notice> {
    let plan = plan_of(3, policy("canary=1"));
    let (digest, host) = (Digest::from_bytes([7; 32]), "web-1".parse::<HostName>().unwrap());
    let result = |outcome| Box::new(HostResult::new(&host, outcome));
    let (phase, detail) = (Phase::BackingUp, Some("it cannot be undone".to_owned()));
    let bodies = [
        NoticeBody::Approved { gate: Gate::Batch(2), plan: digest, because: None },
        NoticeBody::Started {
            kind: Kind::Update,
            selection: "--all".to_owned(),
            hosts: 3,
            changes: 3,
            batches: plan.batches.clone(),
            plan: digest,
        },
        NoticeBody::BatchStarted { batch: 1, of: 2, hosts: 1, canary: true, extended: false },
        NoticeBody::BatchCompleted { batch: 1, of: 2 },
        NoticeBody::Tripped {
            why: Trip::Canary.to_string(),
            trip: Trip::Canary,
            hosts: vec![host.clone()],
            then: OnTrip::Pause,
        },
        NoticeBody::Paused(Question::Approval { gate: Gate::Start, plan: digest }),
        NoticeBody::Paused(Question::Answer { why: "ada asked for it".to_owned() }),
        NoticeBody::Resumed { continued: true, because: None },
        NoticeBody::RollingBack,
        NoticeBody::Completed { result: RolloutResult::Completed },
        NoticeBody::Aborted { why: "ada aborted it".to_owned() },
        NoticeBody::RolledBack,
        NoticeBody::HostPhase(HostStep::Phase { phase, detail }),
        NoticeBody::HostPhase(HostStep::Phase { phase: Phase::Building, detail: None }),
        NoticeBody::HostPhase(HostStep::UpdatingSelf { phase: UpdatingSelf::UpdatingSelf }),
        NoticeBody::HostUpdated(result(HostOutcome::Updated)),
        NoticeBody::HostFailed(result(HostOutcome::Stranded)),
        NoticeBody::HostUnclear(result(HostOutcome::Unclear)),
        NoticeBody::HostRolledBack(result(HostOutcome::RolledBack)),
        NoticeBody::ReleaseQuarantined {
            why: "it died".to_owned(),
            holds: QuarantineScope::Fleet,
            hosts: Vec::new(),
        },
        NoticeBody::ReleaseForgiven { because: "it was proven on h-1".to_owned() },
    ];
    let about = |body| Notice { host: Some(host.clone()), release: Some(digest), body };
    let made = [Notice::planned(&plan), Notice::progress(&plan, &host, 4, 9)];
    made.into_iter().chain(bodies.map(about)).collect()
}

#[test]
fn what_is_told_of_a_rollout_is_read_as_it_was_told_and_has_one_form() {
    let mut lines = String::new();
    for notice in notices() {
        let event = Event::of_rollout(RolloutId::new(), &notice, at(0), "ada");
        assert_eq!(event.notice(), Some(notice));
        let stored: Event = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
        assert_eq!(stored, event);
        let _infallible = writeln!(lines, "{} {}", event.kind.name(), event.data);
    }
    insta::assert_snapshot!(lines);
}

#[test]
fn what_is_told_of_no_rollout_is_no_notice() {
    let enrolled = Event::new(EventType::HostEnrolled, at(0), "ada");
    assert_eq!(enrolled.notice(), None);
    let newer = Event {
        data: json!({"waits_for": "the moon"}),
        ..Event::new(EventType::RolloutPaused, at(0), "ada")
    };
    assert_eq!(newer.notice(), None, "a newer swarm wrote it");
}
