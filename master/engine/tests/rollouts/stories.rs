//! What a rollout does, told as stories.

use engine::*;
use protocol::{AgentState, Code, HostOutcome, Period, Phase};
use testing::{HostScript, NEW, OLD, ScriptedRollout, at, here, name, plan_of, policy, run};
use time::Duration;

fn trip(scripted: &ScriptedRollout) -> Option<Trip> {
    scripted.told.iter().find_map(|notice| match notice.body {
        NoticeBody::Tripped { trip, .. } => Some(trip),
        _ => None,
    })
}

#[test]
fn a_good_release_gets_through_without_anybody() {
    let scripted = run(10, "canary=1 batch=4 parallel=3", &[]);
    assert_eq!(scripted.status(), &Status::Completed);
    assert_eq!(scripted.outcomes(), "uuuuuuuuuu");
    assert_eq!(scripted.most_under_way, 3);
    let of_rollout: Vec<_> = scripted
        .told
        .iter()
        .filter(|notice| notice.result().is_none())
        .map(|notice| match &notice.body {
            NoticeBody::Started { .. } => "started".to_owned(),
            NoticeBody::BatchStarted { batch, of, .. } => format!("{batch} of {of} started"),
            NoticeBody::BatchCompleted { batch, of } => format!("{batch} of {of} completed"),
            NoticeBody::Completed { result } => result.into_str().to_owned(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        of_rollout,
        [
            "started",
            "1 of 4 started",
            "1 of 4 completed",
            "2 of 4 started",
            "2 of 4 completed",
            "3 of 4 started",
            "3 of 4 completed",
            "4 of 4 started",
            "4 of 4 completed",
            "completed",
        ]
    );
}

#[test]
fn lesson_35_a_bad_release_reaches_the_canary_and_nobody_else() {
    let bad: Vec<_> = (0..100).map(|number| (number, HostScript::Bad)).collect();
    let scripted = run(100, "canary=2 batch=25% parallel=1", &bad);
    assert_eq!(scripted.status(), &Status::Paused(Pause::Tripped(Trip::Canary)));
    assert_eq!(scripted.orders, [name(0)]);
}

#[test]
fn the_breaker_has_three_answers() {
    let bad = [(3, HostScript::Bad), (4, HostScript::Bad)];
    let paused = || run(8, "canary=1 batch=4 parallel=1", &bad);
    let scripted = paused();
    assert_eq!(trip(&scripted), Some(Trip::Consecutive(2)));
    assert_eq!(scripted.outcomes(), "uuurrsss");
    let mut scripted = paused();
    scripted.ask(Request::Continue);
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Failed, "uuurruuu"));
    let mut scripted = paused();
    scripted.ask(Request::Abort);
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Aborted, "uuurrsss"));
    let mut scripted = paused();
    scripted.ask(Request::Rollback);
    assert_eq!(
        (scripted.status(), scripted.outcomes().as_str()),
        (&Status::RolledBack, "rrrrrsss")
    );
    assert!(scripted.runs.values().all(|runs| *runs == OLD));
    assert_eq!(scripted.orders[5..], [name(2), name(1), name(0)], "in the opposite order");
}

#[test]
fn a_trip_can_be_answered_beforehand() {
    let bad = [(3, HostScript::Bad), (4, HostScript::Bad)];
    let scripted = run(8, "canary=1 batch=4 parallel=1 trip=rollback", &bad);
    assert_eq!(
        (scripted.status(), scripted.outcomes().as_str()),
        (&Status::RolledBack, "rrrrrsss")
    );
    let scripted = run(8, "canary=1 batch=4 parallel=1 trip=abort", &bad);
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Aborted, "uuurrsss"));
}

#[test]
fn a_trip_pauses_only_while_hosts_remain() {
    let bad: Vec<_> = (0..3).map(|number| (number, HostScript::Bad)).collect();
    let scripted = run(3, "", &bad);
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Failed, "rrr"));
}

#[test]
fn lesson_42_failures_on_alternating_hosts_trip_the_total() {
    let bad: Vec<_> = (0..20).filter(|n| n % 2 == 1).map(|n| (n, HostScript::Bad)).collect();
    let scripted = run(20, "parallel=1 failures=4", &bad);
    assert_eq!(trip(&scripted), Some(Trip::Total(4)));
    assert_eq!(scripted.orders.len(), 8);
    let scripted = run(20, "parallel=1", &bad);
    assert_eq!(trip(&scripted), None, "without a limit in all, they do not");
    assert_eq!(scripted.status(), &Status::Failed);
}

#[test]
fn a_hosts_own_fault_stops_nobody_and_an_unclear_one_asks() {
    let scripted = run(4, "parallel=1", &[(0, HostScript::Full), (1, HostScript::Full)]);
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Failed, "ffuu"));
    let mut scripted = run(4, "parallel=1", &[(0, HostScript::Lost)]);
    let pause = Pause::Unclear { host: name(0), code: MasterCode::Lost.into() };
    assert_eq!(scripted.status(), &Status::Paused(pause.clone()));
    let resumed = scripted.state.check(&Request::Resume, scripted.now);
    assert_eq!(resumed, Err(RequestError::NeedsDecision(pause)));
    scripted.ask(Request::Continue);
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Unclear, "?uuu"));
    let told = describe_rollout(&scripted.state);
    assert!(
        told.ends_with("what became of the order of 1 host is not known; look with swarm status")
    );
    // What is known to have failed is not made unclear by another.
    let scripts = [(0, HostScript::Lost), (1, HostScript::Full)];
    let mut scripted = run(4, "parallel=1", &scripts);
    scripted.ask(Request::Continue);
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Failed, "?fuu"));
    // Nor is it claimed of a host that could not be taken back.
    let mut scripted = run(4, "parallel=1", &[(1, HostScript::Lost)]);
    scripted.ask(Request::Rollback);
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Unclear, "r?ss"));
}

#[test]
fn an_unhealthy_fleet_is_not_touched_and_all_who_are_unwell_are_named() {
    let mut plan = plan_of(5, policy("canary=1"));
    for place in [1, 3] {
        plan.hosts[place].observation = Some(here(OLD, false));
    }
    let mut scripted = ScriptedRollout::new(plan.clone(), &[]);
    scripted.run();
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Failed, "sfsfs"));
    assert_eq!(
        (scripted.code(1).as_str(), scripted.code(0).as_str()),
        ("unhealthy", "not_started")
    );
    assert!(scripted.orders.is_empty());
    // The way back is for them.
    plan.kind = protocol::Kind::Rollback;
    let mut scripted = ScriptedRollout::new(plan.clone(), &[]);
    assert_eq!(scripted.run().outcomes(), "uuuuu");
    plan.kind = protocol::Kind::Update;
    plan.policy.allow_unhealthy = true;
    let mut scripted = ScriptedRollout::new(plan, &[]);
    assert_eq!(scripted.run().outcomes(), "uuuuu");
}

#[test]
fn a_host_is_looked_at_again_when_its_turn_comes_late() {
    let mut scripted = ScriptedRollout::new(plan_of(3, policy("canary=1 delay=1h")), &[]);
    scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
    while !matches!(scripted.state.activity().0, Activity::BetweenBatches(_)) {
        assert!(scripted.one());
    }
    let why = describe_host(&scripted.state, &name(1)).unwrap();
    assert!(why.contains(": batch 2 begins after the delay, 2026-01-02 04:04:"), "{why}");
    // Meanwhile an operator changed h-2.
    scripted.runs.insert(name(2), NEW);
    let other = protocol::Digest::from_bytes([7; 32]);
    scripted.runs.insert(name(1), other);
    scripted.go_on();
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Failed, "ufc"));
    assert_eq!(scripted.code(1), "moved");
    assert_eq!(scripted.runs[&name(1)], other);
}

#[test]
fn an_approval_is_waited_for_and_is_of_a_plan() {
    let mut scripted = run(4, "canary=1 approve=canary", &[]);
    assert_eq!(scripted.status(), &Status::AwaitingApproval(Gate::Batch(2)));
    assert_eq!(scripted.orders.len(), 1);
    let other = Request::Approve { digest: Some(OLD) };
    assert!(matches!(
        scripted.state.check(&other, scripted.now),
        Err(RequestError::OtherPlan { .. })
    ));
    scripted.ask(other);
    assert_eq!(scripted.orders.len(), 1);
    let digest = Some(scripted.state.plan().digest());
    scripted.ask(Request::Approve { digest });
    assert_eq!(scripted.status(), &Status::Completed);

    let mut scripted = run(4, "approve=start", &[]);
    assert!(scripted.orders.is_empty());
    scripted.ask(Request::Reject);
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Aborted, "ssss"));

    let mut scripted = run(4, "batch=2 approve=batch", &[]);
    assert_eq!(scripted.status(), &Status::AwaitingApproval(Gate::Start));
    scripted.ask(Request::Approve { digest: None });
    assert_eq!(scripted.status(), &Status::AwaitingApproval(Gate::Batch(2)));
    scripted.ask(Request::Approve { digest: None });
    assert_eq!(scripted.outcomes(), "uuuu");
}

#[test]
fn an_approval_that_comes_late_meets_the_fleet_as_it_is_then() {
    let mut scripted = run(3, "approve=start", &[]);
    let other = protocol::Digest::from_bytes([7; 32]);
    scripted.runs.insert(name(1), other);
    scripted.now += Duration::milliseconds(1);
    scripted.ask(Request::Approve { digest: None });
    assert_eq!((scripted.outcomes().as_str(), scripted.code(1).as_str()), ("ufu", "moved"));
}

#[test]
fn a_question_that_nobody_answers_ends_the_rollout() {
    let mut scripted = run(3, "approve=start", &[]);
    scripted.now = scripted.state.deadline().unwrap();
    let late = scripted.state.check(&Request::Approve { digest: None }, scripted.now);
    assert!(matches!(late, Err(RequestError::Expired { .. })));
    scripted.ask(Request::Approve { digest: None });
    assert_eq!(scripted.status(), &Status::Aborted);
    assert!(scripted.orders.is_empty());
}

#[test]
fn nothing_goes_to_a_host_before_its_turn() {
    let mut scripted =
        ScriptedRollout::new(plan_of(6, policy("canary=1 parallel=3")), &[(0, HostScript::Never)]);
    scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
    scripted.send(Event::PhaseEntered { host: name(0), phase: Phase::Watching, detail: None });
    assert_eq!(scripted.state.host(&name(0)).unwrap().1.name(), "watching");
    assert_eq!((scripted.orders.as_slice(), scripted.out.len()), (&[name(0)][..], 1));
    // What an older master staged ahead is read, and changes nothing.
    scripted.send(Event::Staged { host: name(1), error: None });
    assert_eq!(scripted.state.host(&name(1)).unwrap().1.name(), "pending");
}

#[test]
fn lesson_41_no_delay_is_no_delay() {
    let scripted = run(4, "batch=1 delay=0 parallel=1", &[]);
    assert_eq!(scripted.now, at(0) + Duration::seconds(4), "one second a host, and none between");
    let scripted = run(4, "batch=1 delay=1m parallel=1", &[]);
    assert!(scripted.now >= at(0) + Duration::minutes(3));
}

#[test]
fn silence_past_a_deadline_is_a_failure_like_any_other() {
    let scripted = run(3, "parallel=1", &[(0, HostScript::Never)]);
    assert!(matches!(scripted.status(), Status::Paused(Pause::Unclear { .. })));
    assert_eq!((scripted.code(0).as_str(), scripted.outcomes().as_str()), ("deadline", "?ss"));
    assert!(scripted.under_way() == 0);
}

/// A host may go from one phase to the next for ever, and is never silent.
#[test]
fn a_host_that_comes_to_no_end_is_asked_for_it_and_then_has_its_row() {
    let scripts = [(0, HostScript::Never)];
    let mut scripted = ScriptedRollout::new(plan_of(2, policy("parallel=1")), &scripts);
    scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
    let phases = [Phase::Building, Phase::Probing].into_iter().cycle();
    for phase in phases.take(100) {
        scripted.send(Event::PhaseEntered { host: name(0), phase, detail: None });
        if matches!(scripted.out[..], [Command::QueryOutcome { .. }]) {
            break;
        }
        scripted.now += Duration::hours(1);
    }
    assert_eq!((scripted.now, scripted.out.len()), (at(0) + Duration::hours(6), 1), "it was asked");
    let answer = scripted.state.deadline().unwrap();
    scripted.send(Event::PhaseEntered { host: name(0), phase: Phase::Building, detail: None });
    assert_eq!(scripted.state.deadline(), Some(answer), "what it says now gives it no more time");
    scripted.go_on();
    assert!(matches!(scripted.status(), Status::Paused(Pause::Unclear { .. })));
    assert_eq!((scripted.code(0).as_str(), scripted.outcomes().as_str()), ("deadline", "?s"));
}

/// How long a host watches a release is its own affair, and is no time that it takes for the order.
#[test]
fn a_host_that_watches_longer_than_asked_is_waited_for() {
    let mut plan = plan_of(2, policy("parallel=1"));
    let Some(Observation::Reported(report)) = &mut plan.hosts[0].observation else { panic!() };
    report.app.as_mut().unwrap().watch = Some(Period(std::time::Duration::from_hours(9)));
    let mut scripted = ScriptedRollout::new(plan, &[(0, HostScript::Never)]);
    scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
    scripted.send(Event::PhaseEntered { host: name(0), phase: Phase::Watching, detail: None });
    assert_eq!(scripted.state.deadline(), Some(at(0) + Duration::hours(2 + 9)), "of its silence");
    scripted.now += Duration::hours(10);
    scripted.send(Event::PhaseEntered { host: name(0), phase: Phase::Watching, detail: None });
    assert_eq!(scripted.state.deadline(), Some(at(0) + Duration::hours(6 + 9)), "of its order");
}

#[test]
fn a_host_whose_updater_is_replaced_says_so_until_it_has_its_row() {
    let mut scripted = ScriptedRollout::new(plan_of(1, policy("")), &[(0, HostScript::Never)]);
    scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
    scripted.send(Event::UpdatingSelf { host: name(0) });
    scripted.send(Event::PhaseEntered { host: name(0), phase: Phase::Receiving, detail: None });
    assert_eq!(scripted.state.host(&name(0)).unwrap().1.name(), "updating_self");
    let result = HostResult { to: Some(NEW), ..HostResult::new(&name(0), HostOutcome::Updated) };
    scripted.send(Event::OrderEnded { result: Box::new(result) });
    assert_eq!(scripted.status(), &Status::Completed);
}

#[test]
fn a_host_without_room_for_the_archive_is_not_ordered() {
    for (room, outcomes) in [(999, "fu"), (1000, "uu")] {
        let mut plan = plan_of(2, policy(""));
        let Some(Observation::Reported(HostReport { app: Some(app), .. })) =
            &mut plan.hosts[0].observation
        else {
            panic!("it was seen");
        };
        app.room = Some(room);
        let mut scripted = ScriptedRollout::new(plan, &[]);
        scripted.run();
        assert_eq!(scripted.outcomes(), outcomes);
        assert_eq!(scripted.code(0), if room < 1000 { "no_space" } else { "" });
    }
}

#[test]
fn a_pause_starts_nobody_and_waits_for_those_under_way() {
    let mut scripted = ScriptedRollout::new(plan_of(5, policy("parallel=2")), &[]);
    scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
    scripted.ask(Request::Interrupt);
    assert_eq!(scripted.status(), &Status::Paused(Pause::Interrupted));
    assert_eq!(scripted.outcomes(), "uusss");
    assert!(scripted.state.is_idle());
    scripted.ask(Request::Resume);
    assert_eq!((scripted.status(), scripted.outcomes().as_str()), (&Status::Completed, "uuuuu"));
}

#[test]
fn a_first_install_cannot_be_taken_back_and_is_reported() {
    let mut plan = plan_of(3, policy("parallel=1 batch=1"));
    plan.hosts[0].from = None;
    plan.hosts[0].observation = None;
    let mut scripted = ScriptedRollout::new(plan, &[]);
    scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
    let agent = AgentState::None;
    let app = AppReport {
        active: None,
        phase: Phase::Idle,
        healthy: true,
        reason: None,
        stranded: false,
        agent,
        room: None,
        undoes_to: None,
        watch: None,
    };
    let observation = Observation::Reported(HostReport { app: Some(app), updater: OLD });
    scripted.out.clear();
    scripted.send(Event::Observed { host: name(0), observation });
    assert!(scripted.one());
    scripted.ask(Request::Rollback);
    assert_eq!(
        (scripted.status(), scripted.code(0).as_str()),
        (&Status::Failed, "no_previous_release")
    );
}

#[test]
fn hosts_that_need_nothing_have_their_rows_from_the_plan() {
    let mut plan = plan_of(3, policy(""));
    plan.hosts[1].action = Action::AlreadyCurrent;
    plan.hosts[1].from = Some(NEW);
    plan.hosts[1].observation = Some(here(NEW, true));
    plan.hosts[2].action = Action::Refuse;
    plan.hosts[2].code = Some(Code::Quarantined.into());
    plan.batches[0].hosts = 1;
    let mut scripted = ScriptedRollout::new(plan, &[]);
    scripted.run();
    assert_eq!((scripted.outcomes().as_str(), scripted.status()), ("ucf", &Status::Failed));
    assert_eq!(scripted.orders, [name(0)]);
    assert_eq!(scripted.code(2), "quarantined");
}

#[test]
fn a_host_that_was_current_when_the_plan_was_made_is_looked_at_again() {
    let mut plan = plan_of(2, policy("parallel=1"));
    plan.hosts[1].action = Action::AlreadyCurrent;
    plan.hosts[1].from = Some(NEW);
    plan.hosts[1].observation = Some(here(NEW, true));
    plan.batches[0].hosts = 1;
    for (runs, outcomes, code) in [(NEW, "uc", ""), (OLD, "uf", "moved")] {
        let mut scripted = ScriptedRollout::new(plan.clone(), &[]);
        scripted.now += Duration::hours(1);
        scripted.runs.insert(name(1), runs);
        scripted.run();
        assert_eq!((scripted.outcomes().as_str(), scripted.code(1).as_str()), (outcomes, code));
    }
}

#[test]
fn every_state_says_what_it_waits_for() {
    let scripted = run(4, "canary=1 batch=2 approve=canary", &[]);
    insta::assert_snapshot!(describe_rollout(&scripted.state), @"waits since 2026-01-02 03:04:06Z for an operator to approve batch 2; next: it goes on, or ends if it is rejected; without an answer it ends 2026-01-09 03:04:06Z");
    insta::assert_snapshot!(describe_host(&scripted.state, &name(0)).unwrap(), @"updated at 2026-01-02 03:04:06Z; nothing more is done there");
    insta::assert_snapshot!(describe_host(&scripted.state, &name(2)).unwrap(), @"waits for its turn in batch 2 of 3 since 2026-01-02 03:04:05Z: the rollout waits since 2026-01-02 03:04:06Z for an operator to approve batch 2; next: it goes on, or ends if it is rejected; without an answer it ends 2026-01-09 03:04:06Z");
    let mut scripted = ScriptedRollout::new(plan_of(4, policy("parallel=1")), &[]);
    scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
    insta::assert_snapshot!(describe_rollout(&scripted.state), @"batch 1 of 1: 1 host under way, 3 wait; next: the end");
    insta::assert_snapshot!(describe_host(&scripted.state, &name(0)).unwrap(), @"receiving since 2026-01-02 03:04:05Z; next: the release is proven there, or taken back; if nothing is heard of it until 2026-01-02 05:04:05Z, it is unclear");
    insta::assert_snapshot!(describe_host(&scripted.state, &name(1)).unwrap(), @"waits for its turn in batch 1 of 1 since 2026-01-02 03:04:05Z: at most 1 host at a time");
}
