//! Rollouts over foreign peers, through the store.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::{ResultCode, RolloutResult};
use protocol::{HostOutcome, OrderOptions};
use serde_json::json;
use store::{EventType, Events};
use tokio::sync::Notify;

use crate::interrupt::Interrupt;
use crate::notify::{Hook, Occasion, Target};
use crate::rollout::testing::{Fleet, NEW, OLD, Requests, ends, keeps, looked, request, runs};
use crate::rollout::{Goal, Summary};
use crate::updater_client::testing::{PeerRequest, TRANSACTION, digest, event};

/// A host that runs the old release and takes the new one.
async fn good(fleet: &mut Fleet, name: &str) -> Requests {
    let serve = |mut call: PeerRequest| async move {
        if looked(&mut call, OLD, None).await {
            return;
        }
        call.take_archive().await;
        call.begin_stream().await;
        let phase = json!({"type": "phase", "phase": "building", "kind": "update"});
        call.line(&event(1, &phase)).await;
        call.line(&ends("updated", None, OLD, NEW)).await;
    };
    fleet.host(name, serve).await
}

fn rows(summary: &Summary) -> Vec<(&str, HostOutcome, Option<&str>)> {
    let hosts = summary.hosts.iter();
    hosts
        .map(|row| (row.host.as_str(), row.outcome, row.code.as_ref().map(ResultCode::as_str)))
        .collect()
}

#[tokio::test]
async fn every_host_has_a_row_and_every_event_is_kept_before_it_is_shown() {
    let mut fleet = Fleet::new();
    good(&mut fleet, "web-1").await;
    fleet.skip("old-1", store::SkipReason::Decommissioned);
    let asked = request(fleet.archive());
    let summary = fleet.run(asked).await;
    assert_eq!(summary.result, RolloutResult::Completed);
    assert_eq!(
        rows(&summary),
        [
            ("old-1", HostOutcome::Skipped, Some("decommissioned")),
            ("web-1", HostOutcome::Updated, None),
        ]
    );
    let events = fleet.store.events(Events::Rollout(summary.rollout), 100).unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [
            EventType::RolloutPlanned,
            EventType::RolloutStarted,
            EventType::RolloutBatchStarted,
            EventType::HostPhase,
            EventType::HostUpdated,
            EventType::RolloutBatchCompleted,
            EventType::RolloutCompleted,
        ]
    );
    let mut shown = fleet.shown.events();
    shown.retain(|event| event.kind != EventType::HostProgress);
    // The first was before anybody watched.
    assert_eq!(shown, events[1..]);
    assert_eq!(summary.hosts.len(), 2);
    assert_eq!(fleet.store.host_results(summary.rollout).unwrap().len(), 2);
    assert_eq!(
        fleet.store.rollout(summary.rollout).unwrap().result,
        Some(RolloutResult::Completed)
    );
}

#[tokio::test]
async fn who_wants_to_be_told_is_told_of_what_was_kept() {
    let mut fleet = Fleet::new();
    good(&mut fleet, "web-1").await;
    let told = tempfile::NamedTempFile::new().unwrap();
    let words = ["/bin/sh", "-c", "cat >> \"$1\"", "hook", told.path().to_str().unwrap()];
    fleet.hooks = vec![Hook {
        events: Occasion::ALL.into(),
        target: Target::Command(protocol::Command(words.map(str::to_owned).to_vec())),
        timeout: std::time::Duration::from_mins(1),
        attempts: NonZeroU32::MIN,
    }];
    let asked = request(fleet.archive());
    let summary = fleet.run(asked).await;
    let events = fleet.store.events(Events::Rollout(summary.rollout), 100).unwrap();
    let text = std::fs::read_to_string(told.path()).unwrap();
    assert_eq!(serde_json::from_str::<store::Event>(&text).unwrap(), *events.last().unwrap());
    assert_eq!(events.last().unwrap().kind, EventType::RolloutCompleted);
}

#[tokio::test]
async fn lesson_36_a_host_that_answers_nonsense_does_not_cost_the_others_their_rows() {
    let mut fleet = Fleet::new();
    good(&mut fleet, "good-1").await;
    fleet.host("html-1", |mut call| async move { call.say("<html>\r\n\r\n").await }).await;
    fleet.host("wrong-1", |mut call| async move { call.json(200, &json!([])).await }).await;
    let refuses = |mut call: PeerRequest| async move {
        if looked(&mut call, OLD, None).await {
            return;
        }
        call.json(507, &json!({"code": "no_space", "detail": {"bytes": 1}})).await;
    };
    fleet.host("full-1", refuses).await;
    let asked = request(fleet.archive());
    let summary = fleet.run(asked).await;
    assert_eq!(summary.result, RolloutResult::Failed);
    assert_eq!(
        rows(&summary),
        [
            ("full-1", HostOutcome::Failed, Some("no_space")),
            ("good-1", HostOutcome::Updated, None),
            ("html-1", HostOutcome::Unreachable, Some("connection_broken")),
            ("wrong-1", HostOutcome::Unreachable, Some("bad_answer")),
        ]
    );
    assert_eq!(fleet.desired("good-1"), Some(digest(NEW)));
    assert_eq!(fleet.desired("full-1"), Some(digest(NEW)), "what was asked for");
    assert_eq!(fleet.desired("html-1"), Some(digest(NEW)), "of all of them");
}

#[tokio::test]
async fn what_a_host_was_asked_for_stays_unless_it_refuses_the_order_itself() {
    let mut fleet = Fleet::new();
    good(&mut fleet, "good-1").await;
    let mut refusing = Vec::new();
    for (name, status, code) in [
        ("busy-1", 423, "update_in_progress"),
        ("broken-1", 422, "archive_rejected"),
        ("forged-1", 422, "signature_rejected"),
        ("other-1", 422, "platform_mismatch"),
    ] {
        let refuses = move |mut call: PeerRequest| async move {
            if looked(&mut call, OLD, None).await {
                return;
            }
            call.json(status, &json!({"code": code, "detail": "no"})).await;
        };
        refusing.push(fleet.host(name, refuses).await);
    }
    let hold = store::Hold {
        because: "new disk".to_owned(),
        who: "ada".to_owned(),
        since: time::OffsetDateTime::UNIX_EPOCH,
        until: None,
    };
    fleet.skip("held-1", store::SkipReason::Held(hold));
    fleet.skip("left-1", store::SkipReason::Decommissioned);
    let mut asked = request(fleet.archive());
    asked.policy.max_consecutive_failures = NonZeroU32::MAX;
    let summary = fleet.run(asked).await;
    assert_eq!(summary.hosts.iter().filter(|row| row.outcome == HostOutcome::Failed).count(), 4);
    for (name, expected) in [
        ("good-1", Some(digest(NEW))),
        ("busy-1", Some(digest(NEW))),
        ("held-1", Some(digest(NEW))),
        ("broken-1", None),
        ("forged-1", None),
        ("other-1", None),
        ("left-1", None),
    ] {
        assert_eq!(fleet.desired(name), expected, "{name}");
    }
}

#[tokio::test]
async fn lesson_43_a_host_on_the_target_is_not_updated_again() {
    let mut fleet = Fleet::new();
    let serve = |mut call: PeerRequest| async move {
        looked(&mut call, NEW, None).await;
    };
    let requests = fleet.host("web-1", serve).await;
    let asked = request(fleet.archive());
    let summary = fleet.run(asked).await;
    assert_eq!(rows(&summary), [("web-1", HostOutcome::AlreadyCurrent, None)]);
    assert_eq!(summary.hosts[0].to, Some(digest(NEW)));
    assert_eq!(requests.orders(), 0);
}

#[tokio::test]
async fn lesson_40_a_host_that_has_the_release_and_is_not_well_is_not_called_current() {
    let serve = |mut call: PeerRequest| async move {
        if call.is("GET /health") {
            return call.json(200, &runs(NEW, false)).await;
        }
        if call.is("GET /releases") {
            return call.json(200, &keeps(NEW, Some(OLD), &[])).await;
        }
        assert!(call.is("POST /update?app=agent&force=true "));
        call.begin_stream().await;
        call.line(&ends("stranded", Some("rollback_failed"), NEW, NEW)).await;
    };
    let mut fleet = Fleet::new();
    let requests = fleet.host("web-1", serve).await;
    let asked = request(fleet.archive());
    let summary = fleet.run(asked).await;
    assert_eq!(rows(&summary), [("web-1", HostOutcome::Failed, Some("unhealthy"))]);
    assert_eq!(requests.orders(), 0);
    fleet.host("web-1", serve).await;
    let mut asked = request(fleet.archive());
    asked.policy.options = OrderOptions { force: true, ..OrderOptions::default() };
    let summary = fleet.run(asked).await;
    // What the host says after it has looked is what is told.
    assert_eq!(rows(&summary), [("web-1", HostOutcome::Stranded, Some("rollback_failed"))]);
    assert_eq!(summary.result, RolloutResult::Failed);
}

#[tokio::test]
async fn lesson_47_what_was_asked_for_is_not_what_runs() {
    let mut fleet = Fleet::new();
    let serve = |mut call: PeerRequest| async move {
        if looked(&mut call, OLD, None).await {
            return;
        }
        call.take_archive().await;
        call.begin_stream().await;
        call.line(&ends("rolled_back", Some("rolled_back"), OLD, OLD)).await;
    };
    fleet.host("web-1", serve).await;
    let asked = request(fleet.archive());
    let summary = fleet.run(asked).await;
    assert_eq!(rows(&summary), [("web-1", HostOutcome::RolledBack, Some("rolled_back"))]);
    assert_eq!(summary.hosts[0].output, ["Traceback", "boom"]);
    let kept = &fleet.store.host_results(summary.rollout).unwrap()[0];
    assert_eq!((kept.from, kept.to), (Some(digest(OLD)), Some(digest(OLD))));
    assert_eq!(fleet.desired("web-1"), Some(digest(NEW)));
}

#[tokio::test]
async fn a_rollback_goes_to_what_ran_before() {
    let mut fleet = Fleet::new();
    let serve = |mut call: PeerRequest| async move {
        if looked(&mut call, NEW, Some(OLD)).await {
            return;
        }
        call.begin_stream().await;
        call.line(&ends("rolled_back", None, NEW, OLD)).await;
    };
    fleet.host("web-1", serve).await;
    let refuses = |mut call: PeerRequest| async move {
        if looked(&mut call, NEW, None).await {
            return;
        }
        call.json(404, &json!({"code": "no_previous_release", "detail": "no"})).await;
    };
    fleet.host("web-2", refuses).await;
    let asked = request(Goal::Back(None));
    let summary = fleet.run(asked).await;
    assert_eq!(
        rows(&summary),
        [
            ("web-1", HostOutcome::RolledBack, None),
            ("web-2", HostOutcome::Failed, Some("no_previous_release")),
        ]
    );
    assert_eq!(fleet.desired("web-1"), Some(digest(OLD)));
    assert_eq!(fleet.desired("web-2"), None);
}

#[tokio::test]
async fn a_confirmation_comes_on_a_connection_of_its_own() {
    let mut fleet = Fleet::new();
    let serve = |mut call: PeerRequest| async move {
        if looked(&mut call, OLD, None).await {
            return;
        }
        if call.is("POST /update?app=agent&confirm=true ") {
            call.take_archive().await;
            call.begin_stream().await;
            return call.line(&ends("confirming", None, OLD, NEW)).await;
        }
        assert!(call.is(&format!("POST /confirm/{TRANSACTION} ")));
        call.begin_stream().await;
        call.line(&ends("updated", None, OLD, NEW)).await;
    };
    let requests = fleet.host("web-1", serve).await;
    let mut asked = request(fleet.archive());
    asked.policy.options = OrderOptions { confirm: true, ..OrderOptions::default() };
    let summary = fleet.run(asked).await;
    assert_eq!(rows(&summary), [("web-1", HostOutcome::Updated, None)]);
    assert_eq!(requests.orders(), 2);
}

#[tokio::test]
async fn lesson_21_a_new_updater_counts_when_it_answers_on_a_new_connection() {
    let mut fleet = Fleet::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let serve = move |mut call: PeerRequest| {
        let asked = Arc::clone(&asked);
        async move {
            if call.is("GET /health") {
                let mut health = runs(NEW, true);
                // The plan, and two questions too early.
                if asked.fetch_add(1, Ordering::Relaxed) > 2 {
                    health["digest"] = json!(digest(NEW));
                }
                return call.json(200, &health).await;
            }
            if call.is("GET /releases") {
                return call.json(200, &keeps(NEW, None, &[])).await;
            }
            assert!(call.is("POST /update-self?confirm_self=true "));
            call.take_archive().await;
            call.json(200, &json!({"status": "self_update_queued"})).await;
        }
    };
    let requests = fleet.host("web-1", serve).await;
    let mut asked = request(fleet.archive());
    asked.updater = Some(digest(NEW));
    let updater = Some(fleet.push());
    let summary = fleet.run_with(asked, updater, Interrupt::none()).await;
    assert_eq!(rows(&summary), [("web-1", HostOutcome::AlreadyCurrent, None)]);
    assert!(summary.hosts[0].detail.as_ref().unwrap().contains("its updater is now"));
    assert_eq!(requests.orders(), 1);
}

#[tokio::test]
async fn no_host_is_started_after_an_interrupt_and_the_one_under_way_is_waited_for() {
    let mut fleet = Fleet::new();
    let interrupt = Interrupt::none();
    let asked = interrupt.clone();
    let first = move |mut call: PeerRequest| {
        let asked = asked.clone();
        async move {
            if looked(&mut call, OLD, None).await {
                return;
            }
            call.take_archive().await;
            asked.ask();
            call.begin_stream().await;
            call.line(&ends("updated", None, OLD, NEW)).await;
        }
    };
    fleet.host("a-1", first).await;
    let second = good(&mut fleet, "b-1").await;
    let mut asked = request(fleet.archive());
    asked.policy.parallel = NonZeroU32::MIN;
    let summary = fleet.run_with(asked, None, interrupt).await;
    assert_eq!(summary.result, RolloutResult::Interrupted);
    assert_eq!(
        rows(&summary),
        [("a-1", HostOutcome::Updated, None), ("b-1", HostOutcome::Skipped, Some("interrupted")),]
    );
    assert_eq!(second.orders(), 0);
}

#[tokio::test]
async fn a_second_interrupt_leaves() {
    let mut fleet = Fleet::new();
    let interrupt = Interrupt::none();
    let asked = interrupt.clone();
    let never = Arc::new(Notify::new());
    let serve = move |mut call: PeerRequest| {
        let (asked, never) = (asked.clone(), Arc::clone(&never));
        async move {
            if looked(&mut call, OLD, None).await {
                return;
            }
            asked.ask();
            asked.ask();
            never.notified().await;
        }
    };
    fleet.host("a-1", serve).await;
    let asked = request(fleet.archive());
    let summary = fleet.run_with(asked, None, interrupt).await;
    assert_eq!(rows(&summary), [("a-1", HostOutcome::Unclear, Some("interrupted"))]);
}
