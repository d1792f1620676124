//! What holds of every rollout.

use std::sync::Arc;

use engine::*;
use testing::{HostScript, ScriptedRollout, at, plan_of, policy, run};
use time::OffsetDateTime;

/// A driver that dies after every single event that it stored changes nothing for any host.
#[test]
fn a_master_that_is_killed_after_any_event_comes_to_the_same_end() {
    let scripts =
        [(2, HostScript::Bad), (4, HostScript::Full), (5, HostScript::Bad), (6, HostScript::Bad)];
    let words = "canary=1 batch=3 parallel=2 trip=rollback delay=1m";
    let whole = run(9, words, &scripts);
    assert_eq!(whole.status(), &Status::RolledBack);
    for killed_after in 1..whole.stored.len() {
        let mut scripted = ScriptedRollout::new(plan_of(9, policy(words)), &scripts);
        scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
        while scripted.stored.len() < killed_after && scripted.one() {}
        scripted.die_and_resume();
        scripted.go_on();
        assert_eq!(scripted.status(), whole.status(), "killed after event {killed_after}");
        assert_eq!(scripted.outcomes(), whole.outcomes(), "killed after event {killed_after}");
        assert_eq!(scripted.runs, whole.runs, "killed after event {killed_after}");
    }
}

/// Nor does it matter how long it was away: no driver listened, so no host was silent.
#[test]
fn a_master_that_was_away_for_days_blames_no_host() {
    let whole = run(4, "parallel=2", &[]);
    for killed_after in 1..whole.stored.len() {
        let mut scripted = ScriptedRollout::new(plan_of(4, policy("parallel=2")), &[]);
        scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
        while scripted.stored.len() < killed_after && scripted.one() {}
        scripted.now += time::Duration::days(3);
        scripted.die_and_resume();
        scripted.go_on();
        assert_eq!(scripted.outcomes(), "uuuu", "killed after event {killed_after}");
    }
}

/// Ctrl-C and `resume` are no judgement of the failures so far; `continue` is.
#[test]
fn a_pause_does_not_make_the_breaker_forget() {
    let bad = [(0, HostScript::Bad), (2, HostScript::Bad)];
    for (request, status) in [(Request::Resume, "paused"), (Request::Continue, "failed")] {
        let mut scripted = ScriptedRollout::new(plan_of(5, policy("parallel=1 failures=2")), &bad);
        scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
        while !scripted.outcomes().starts_with('r') && scripted.one() {}
        scripted.ask(Request::Interrupt).ask(request);
        assert_eq!(scripted.status().into_str(), status);
    }
}

#[test]
fn the_state_is_what_the_stored_events_fold_to() {
    let scripts = [(2, HostScript::Bad), (4, HostScript::Full), (5, HostScript::Lost)];
    for words in ["canary=1 batch=3 parallel=2", "parallel=1 row=1", "approve=batch batch=2"] {
        let mut scripted = run(9, words, &scripts);
        for request in [Request::Approve { digest: None }, Request::Continue, Request::Rollback] {
            scripted.ask(request);
        }
        let text = serde_json::to_string(&scripted.stored).unwrap();
        let stored: Vec<(OffsetDateTime, Event)> = serde_json::from_str(&text).unwrap();
        let plan = Arc::new(plan_of(9, policy(words)));
        assert!(fold(plan, at(0), stored) == scripted.state, "{words}");
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
        for scripts in 0..(1_u32 << 9) {
            let bad: Vec<_> =
                (0..9).filter(|n| scripts & (1 << n) != 0).map(|n| (n, HostScript::Bad)).collect();
            let scripted = run(9, words, &bad);
            let harmed = scripted.outcomes().matches('r').count();
            let worst = worst_case(scripted.state.plan()).harmed as usize;
            assert!(harmed <= worst, "{words}: {harmed} harmed of at most {worst}, {scripts:b}");
        }
    }
}
