//! What opens a gate, what a failure says of a release, and the way back.

use engine::*;
use protocol::{Code, HostOutcome, Phase};
use testing::{HostScript, OLD, ScriptedRollout, name, plan_of, policy, run};
use time::Duration;

#[test]
fn a_canary_that_proved_nothing_opens_no_gate() {
    let full = |hosts: std::ops::Range<u32>| hosts.map(|number| (number, HostScript::Full));
    let mut scripts: Vec<_> = full(0..2).collect();
    scripts.extend((2..8).map(|number| (number, HostScript::Bad)));
    for words in ["canary=1", "canary=2", "canary=1 batch=1"] {
        let scripted = run(8, words, &scripts);
        assert_eq!(scripted.status(), &Status::Paused(Pause::Tripped(Trip::Canary)), "{words}");
        assert_eq!((scripted.outcomes().as_str(), scripted.orders.len()), ("ffrsssss", 3));
    }
    let scripted = run(8, "canary=1 approve=canary", &full(0..3).collect::<Vec<_>>());
    assert_eq!(scripted.outcomes(), "fffussss");
    assert_eq!(scripted.status(), &Status::AwaitingApproval(Gate::Batch(2)));
    let all: Vec<_> = full(0..8).collect();
    for words in ["canary=1", "batch=3", "batch=1"] {
        let scripted = run(8, words, &all);
        assert_eq!(
            (scripted.status(), scripted.outcomes().as_str()),
            (&Status::Failed, "ffffffff")
        );
        assert_eq!(scripted.most_under_way, if words == "batch=3" { 3 } else { 1 }, "{words}");
    }
}

#[test]
fn an_operator_who_goes_on_after_a_trip_opens_the_gate_and_after_silence_does_not() {
    let bad = [(0, HostScript::Bad), (1, HostScript::Bad)];
    let mut scripted = run(5, "canary=1 row=5", &bad);
    scripted.ask(Request::Continue);
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Failed, "rruuu"));
    let mut scripted = run(5, "canary=1", &[(0, HostScript::Lost), (1, HostScript::Bad)]);
    scripted.ask(Request::Continue);
    assert_eq!(scripted.status(), &Status::Paused(Pause::Tripped(Trip::Canary)));
    assert_eq!(scripted.outcomes(), "?rsss");
}

#[test]
fn a_host_whose_end_is_not_known_is_asked_for_it_before_the_rollout_ends() {
    let mut scripted = run(3, "parallel=1", &[(0, HostScript::Late)]);
    assert_eq!((scripted.code(0).as_str(), scripted.outcomes().as_str()), ("deadline", "?ss"));
    scripted.ask(Request::Continue);
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Completed, "uuu"));
    let mut scripted = run(2, "parallel=1", &[(0, HostScript::Never)]);
    scripted.ask(Request::Continue);
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Unclear, "?u"));
}

#[test]
fn a_release_is_quarantined_for_the_fleet_by_a_canary_or_by_two_hosts_and_by_no_less() {
    let quarantined = |words: &str, bad: &[u32]| {
        let bad: Vec<_> = bad.iter().map(|number| (*number, HostScript::Bad)).collect();
        let scripted = run(6, words, &bad);
        let mut scope = None;
        for notice in scripted.told {
            match notice.body {
                NoticeBody::ReleaseQuarantined { holds, .. } => scope = Some(holds),
                NoticeBody::ReleaseForgiven { .. } => scope = None,
                _ => {}
            }
        }
        scope
    };
    assert_eq!(quarantined("canary=1", &[0]), Some(QuarantineScope::Fleet));
    assert_eq!(quarantined("parallel=1", &[0]), Some(QuarantineScope::Host));
    assert_eq!(quarantined("parallel=1", &[0, 1]), Some(QuarantineScope::Fleet));
    assert_eq!(quarantined("parallel=1", &[1, 2]), Some(QuarantineScope::Host), "0 runs it");
    assert_eq!(quarantined("parallel=1 row=3", &[0, 1]), None, "it was proven later");
}

#[test]
fn a_rollback_waits_for_no_watch_and_keeps_batches_and_delay() {
    let words = "canary=1 batch=2 parallel=2 delay=1m";
    let mut scripted = ScriptedRollout::new(plan_of(5, policy(words)), &[(3, HostScript::Never)]);
    scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
    while scripted.orders.len() < 5 {
        scripted.one();
    }
    scripted.send(Event::PhaseEntered { host: name(3), phase: Phase::Watching, detail: None });
    scripted.send(Event::Requested {
        who: "eve".to_owned(),
        request: Request::Rollback,
        because: None,
    });
    assert_eq!(scripted.stopped, [name(3), name(4)]);
    let back = HostResult { to: Some(OLD), ..HostResult::new(&name(3), HostOutcome::RolledBack) };
    let back = back.with_reason(Code::Interrupted, "it was asked to stop");
    scripted.send(Event::OrderEnded { result: Box::new(back) });
    scripted.orders.clear();
    let begun = scripted.now;
    scripted.go_on();
    assert_eq!(scripted.status(), &Status::RolledBack);
    assert_eq!(scripted.orders, [name(4), name(2), name(1), name(0)]);
    assert!(scripted.now - begun >= Duration::minutes(2), "a delay between batches");
    assert!(scripted.runs.values().all(|runs| *runs == OLD));
}

#[test]
fn an_abort_waits_for_no_watch() {
    let scripts = [(0, HostScript::Never), (1, HostScript::Never)];
    let mut scripted = ScriptedRollout::new(plan_of(3, policy("parallel=2")), &scripts);
    scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
    scripted.send(Event::PhaseEntered { host: name(0), phase: Phase::Watching, detail: None });
    scripted.send(Event::Requested {
        who: "eve".to_owned(),
        request: Request::Abort,
        because: None,
    });
    assert_eq!((scripted.code(0).as_str(), scripted.outcomes().as_str()), ("aborted", "??s"));
    assert!(!scripted.state.is_over(), "h-1 has not switched yet");
    scripted.send(Event::PhaseEntered { host: name(1), phase: Phase::Watching, detail: None });
    assert!(scripted.state.is_over());
}
