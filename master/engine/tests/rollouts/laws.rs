//! What holds of every rollout.

use std::sync::Arc;

use engine::*;
use testing::{Fate, Rig, at, plan_of, policy, run};
use time::OffsetDateTime;

/// A driver that dies after every single event that it stored changes nothing for any host.
#[test]
fn a_master_that_is_killed_after_any_event_comes_to_the_same_end() {
    let fates = [(2, Fate::Bad), (4, Fate::Full), (5, Fate::Bad), (6, Fate::Bad)];
    let words = "canary=1 batch=3 parallel=2 trip=rollback delay=1m";
    let whole = run(9, words, &fates);
    assert_eq!(whole.status(), &Status::RolledBack);
    for killed_after in 1..whole.stored.len() {
        let mut rig = Rig::new(plan_of(9, policy(words)), &fates);
        rig.send(Event::Driven { who: "ada".to_owned(), epoch: 1 });
        while rig.stored.len() < killed_after && rig.one() {}
        rig.die_and_resume();
        rig.go_on();
        assert_eq!(rig.status(), whole.status(), "killed after event {killed_after}");
        assert_eq!(rig.outcomes(), whole.outcomes(), "killed after event {killed_after}");
        assert_eq!(rig.runs, whole.runs, "killed after event {killed_after}");
    }
}

/// Nor does it matter how long it was away: nobody listened, so nobody was silent.
#[test]
fn a_master_that_was_away_for_days_blames_no_host() {
    let whole = run(4, "parallel=2", &[]);
    for killed_after in 1..whole.stored.len() {
        let mut rig = Rig::new(plan_of(4, policy("parallel=2")), &[]);
        rig.send(Event::Driven { who: "ada".to_owned(), epoch: 1 });
        while rig.stored.len() < killed_after && rig.one() {}
        rig.now += time::Duration::days(3);
        rig.die_and_resume();
        rig.go_on();
        assert_eq!(rig.outcomes(), "uuuu", "killed after event {killed_after}");
    }
}

/// Ctrl-C and `resume` are no judgement of the failures so far; `continue` is.
#[test]
fn a_pause_does_not_make_the_breaker_forget() {
    let bad = [(0, Fate::Bad), (2, Fate::Bad)];
    for (request, status) in [(Request::Resume, "paused"), (Request::Continue, "failed")] {
        let mut rig = Rig::new(plan_of(5, policy("parallel=1 failures=2")), &bad);
        rig.send(Event::Driven { who: "ada".to_owned(), epoch: 1 });
        while !rig.outcomes().starts_with('r') && rig.one() {}
        rig.ask(Request::Interrupt).ask(request);
        assert_eq!(rig.status().name(), status);
    }
}

#[test]
fn the_state_is_what_the_stored_events_fold_to() {
    let fates = [(2, Fate::Bad), (4, Fate::Full), (5, Fate::Lost)];
    for words in ["canary=1 batch=3 parallel=2", "parallel=1 row=1", "approve=batch batch=2"] {
        let mut rig = run(9, words, &fates);
        for request in [Request::Approve { digest: None }, Request::Continue, Request::Rollback] {
            rig.ask(request);
        }
        let text = serde_json::to_string(&rig.stored).unwrap();
        let stored: Vec<(OffsetDateTime, Event)> = serde_json::from_str(&text).unwrap();
        let plan = Arc::new(plan_of(9, policy(words)));
        assert!(fold(plan, at(0), stored) == rig.state, "{words}");
    }
}

/// Whatever fails and in whatever order, no more hosts are harmed than the plan said.
#[test]
fn the_harm_never_exceeds_the_plans_worst_case() {
    let policies = [
        "parallel=1",
        "parallel=3",
        "canary=1 parallel=2",
        "batch=3 parallel=2 failures=3",
        "canary=2 batch=25% parallel=4 failures=20%",
        "parallel=2 row=1",
        "row=3 parallel=2",
    ];
    for words in policies {
        for fates in 0..(1_u32 << 9) {
            let bad: Vec<_> =
                (0..9).filter(|n| fates & (1 << n) != 0).map(|n| (n, Fate::Bad)).collect();
            let rig = run(9, words, &bad);
            let harmed = rig.outcomes().matches('r').count();
            let worst = worst_case(rig.state.plan()).harmed as usize;
            assert!(harmed <= worst, "{words}: {harmed} harmed of at most {worst}, {fates:b}");
        }
    }
}
