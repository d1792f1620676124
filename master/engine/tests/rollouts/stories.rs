//! What a rollout does, told as stories.

use engine::*;
use protocol::{HostOutcome, Phase};
use testing::{Fate, NEW, OLD, Rig, at, here, name, plan_of, policy, run};
use time::Duration;

fn trip(rig: &Rig) -> Option<Trip> {
    rig.told.iter().find_map(|notice| match notice {
        Notice::Tripped { trip, .. } => Some(*trip),
        _ => None,
    })
}

#[test]
fn a_good_release_gets_through_without_anybody() {
    let rig = run(10, "canary=1 batch=4 parallel=3", &[]);
    assert_eq!(rig.status(), &Status::Completed);
    assert_eq!(rig.outcomes(), "uuuuuuuuuu");
    assert_eq!(rig.most_under_way, 3);
    let batches: Vec<_> =
        rig.told.iter().filter(|notice| !matches!(notice, Notice::Host(_))).cloned().collect();
    assert_eq!(
        batches,
        [
            Notice::Started,
            Notice::BatchStarted { batch: 1 },
            Notice::BatchCompleted { batch: 1 },
            Notice::BatchStarted { batch: 2 },
            Notice::BatchCompleted { batch: 2 },
            Notice::BatchStarted { batch: 3 },
            Notice::BatchCompleted { batch: 3 },
            Notice::BatchStarted { batch: 4 },
            Notice::BatchCompleted { batch: 4 },
            Notice::Ended,
        ]
    );
}

#[test]
fn lesson_35_a_bad_release_reaches_the_canary_and_nobody_else() {
    let bad: Vec<_> = (0..100).map(|number| (number, Fate::Bad)).collect();
    let rig = run(100, "canary=2 batch=25% parallel=1", &bad);
    assert_eq!(rig.status(), &Status::Paused(Pause::Tripped(Trip::Canary)));
    assert_eq!(rig.orders, [name(0)]);
}

#[test]
fn the_breaker_has_three_answers() {
    let bad = [(3, Fate::Bad), (4, Fate::Bad)];
    let paused = || run(8, "canary=1 batch=4 parallel=1", &bad);
    let rig = paused();
    assert_eq!(trip(&rig), Some(Trip::Consecutive(2)));
    assert_eq!(rig.outcomes(), "uuurrsss");
    let mut rig = paused();
    rig.ask(Request::Continue);
    assert_eq!((rig.status(), rig.outcomes().as_str()), (&Status::Failed, "uuurruuu"));
    let mut rig = paused();
    rig.ask(Request::Abort);
    assert_eq!((rig.status(), rig.outcomes().as_str()), (&Status::Aborted, "uuurrsss"));
    let mut rig = paused();
    rig.ask(Request::Rollback);
    assert_eq!((rig.status(), rig.outcomes().as_str()), (&Status::RolledBack, "rrrrrsss"));
    assert!(rig.runs.values().all(|runs| *runs == OLD));
    assert_eq!(rig.orders[5..], [name(2), name(1), name(0)], "in the opposite order");
}

#[test]
fn a_trip_can_be_answered_beforehand() {
    let bad = [(3, Fate::Bad), (4, Fate::Bad)];
    let rig = run(8, "canary=1 batch=4 parallel=1 trip=rollback", &bad);
    assert_eq!((rig.status(), rig.outcomes().as_str()), (&Status::RolledBack, "rrrrrsss"));
    let rig = run(8, "canary=1 batch=4 parallel=1 trip=abort", &bad);
    assert_eq!((rig.status(), rig.outcomes().as_str()), (&Status::Aborted, "uuurrsss"));
}

#[test]
fn a_trip_pauses_only_while_hosts_remain() {
    let bad: Vec<_> = (0..3).map(|number| (number, Fate::Bad)).collect();
    let rig = run(3, "", &bad);
    assert_eq!((rig.status(), rig.outcomes().as_str()), (&Status::Failed, "rrr"));
}

#[test]
fn lesson_42_failures_on_alternating_hosts_trip_the_total() {
    let bad: Vec<_> = (0..20).filter(|n| n % 2 == 1).map(|n| (n, Fate::Bad)).collect();
    let rig = run(20, "parallel=1 failures=4", &bad);
    assert_eq!(trip(&rig), Some(Trip::Total(4)));
    assert_eq!(rig.orders.len(), 8);
    let rig = run(20, "parallel=1", &bad);
    assert_eq!(trip(&rig), None, "without a limit in all, they do not");
    assert_eq!(rig.status(), &Status::Failed);
}

#[test]
fn a_hosts_own_fault_stops_nobody_and_an_unclear_one_asks() {
    let rig = run(4, "parallel=1", &[(0, Fate::Full), (1, Fate::Full)]);
    assert_eq!((rig.status(), rig.outcomes().as_str()), (&Status::Failed, "ffuu"));
    let mut rig = run(4, "parallel=1", &[(0, Fate::Lost)]);
    let pause = Pause::Unclear { host: name(0), code: "lost".to_owned() };
    assert_eq!(rig.status(), &Status::Paused(pause.clone()));
    let resumed = rig.state.check(&Request::Resume, rig.now);
    assert_eq!(resumed, Err(Refusal::Decide(pause)));
    rig.ask(Request::Continue);
    assert_eq!((rig.status(), rig.outcomes().as_str()), (&Status::Failed, "xuuu"));
}

#[test]
fn an_unhealthy_fleet_is_not_touched_and_all_who_are_unwell_are_named() {
    let mut plan = plan_of(5, policy("canary=1"));
    for place in [1, 3] {
        plan.hosts[place].seen = Some(here(OLD, false));
    }
    let mut rig = Rig::new(plan.clone(), &[]);
    rig.run();
    assert_eq!((rig.status(), rig.outcomes().as_str()), (&Status::Failed, "sfsfs"));
    assert_eq!((rig.code(1).as_str(), rig.code(0).as_str()), ("unhealthy", "not_started"));
    assert!(rig.orders.is_empty());
    plan.policy.allow_unhealthy = true;
    let mut rig = Rig::new(plan, &[]);
    assert_eq!(rig.run().outcomes(), "uuuuu");
}

#[test]
fn a_host_is_looked_at_again_when_its_turn_comes_late() {
    let mut rig = Rig::new(plan_of(3, policy("canary=1 delay=1h")), &[]);
    rig.send(Event::Driven { who: "ada".to_owned(), epoch: 1 });
    // Meanwhile somebody else changed h-2.
    rig.runs.insert(name(2), NEW);
    let other = protocol::Digest::from_bytes([7; 32]);
    rig.runs.insert(name(1), other);
    rig.go_on();
    assert_eq!((rig.status(), rig.outcomes().as_str()), (&Status::Failed, "ufc"));
    assert_eq!(rig.code(1), "moved");
    assert_eq!(rig.runs[&name(1)], other);
}

#[test]
fn an_approval_is_waited_for_and_is_of_a_plan() {
    let mut rig = run(4, "canary=1 approve=canary", &[]);
    assert_eq!(rig.status(), &Status::AwaitingApproval(Gate::Batch(2)));
    assert_eq!(rig.orders.len(), 1);
    let other = Request::Approve { digest: Some(OLD) };
    assert!(matches!(rig.state.check(&other, rig.now), Err(Refusal::OtherPlan { .. })));
    rig.ask(other);
    assert_eq!(rig.orders.len(), 1);
    let digest = Some(rig.state.plan().digest());
    rig.ask(Request::Approve { digest });
    assert_eq!(rig.status(), &Status::Completed);

    let mut rig = run(4, "approve=start", &[]);
    assert!(rig.orders.is_empty());
    rig.ask(Request::Reject);
    assert_eq!((rig.status(), rig.outcomes().as_str()), (&Status::Aborted, "ssss"));

    let mut rig = run(4, "batch=2 approve=batch", &[]);
    assert_eq!(rig.status(), &Status::AwaitingApproval(Gate::Start));
    rig.ask(Request::Approve { digest: None });
    assert_eq!(rig.status(), &Status::AwaitingApproval(Gate::Batch(2)));
    rig.ask(Request::Approve { digest: None });
    assert_eq!(rig.outcomes(), "uuuu");
}

#[test]
fn an_approval_that_comes_late_meets_the_fleet_as_it_is_then() {
    let mut rig = run(3, "approve=start", &[]);
    let other = protocol::Digest::from_bytes([7; 32]);
    rig.runs.insert(name(1), other);
    rig.now += Duration::milliseconds(1);
    rig.ask(Request::Approve { digest: None });
    assert_eq!((rig.outcomes().as_str(), rig.code(1).as_str()), ("ufu", "moved"));
}

#[test]
fn a_question_that_nobody_answers_ends_the_rollout() {
    let mut rig = run(3, "approve=start", &[]);
    rig.now = rig.state.deadline().unwrap();
    let late = rig.state.check(&Request::Approve { digest: None }, rig.now);
    assert!(matches!(late, Err(Refusal::Expired { .. })));
    rig.ask(Request::Approve { digest: None });
    assert_eq!(rig.status(), &Status::Aborted);
    assert!(rig.orders.is_empty());
}

#[test]
fn bytes_go_ahead_while_a_batch_is_watched_and_never_more_than_parallel() {
    let mut rig = Rig::new(plan_of(6, policy("canary=1 parallel=3")), &[(0, Fate::Never)]);
    rig.send(Event::Driven { who: "ada".to_owned(), epoch: 1 });
    rig.send(Event::Phase { host: name(0), phase: Phase::Watching, detail: None });
    assert_eq!(rig.staged, [name(1), name(2)]);
    assert_eq!(rig.most_under_way, 3);
    assert!(rig.one() && rig.one());
    assert_eq!(rig.staged.len(), 4);
    assert_eq!(rig.state.host(&name(1)).unwrap().1.name(), "staged");
    assert_eq!(rig.state.host(&name(0)).unwrap().1.name(), "watching");
    assert_eq!(rig.orders, [name(0)], "nothing is activated");
}

#[test]
fn lesson_41_no_delay_is_no_delay() {
    let rig = run(4, "batch=1 delay=0 parallel=1", &[]);
    assert_eq!(rig.now, at(0) + Duration::seconds(4), "one second a host, and none between");
    let rig = run(4, "batch=1 delay=1m parallel=1", &[]);
    assert!(rig.now >= at(0) + Duration::minutes(3));
}

#[test]
fn silence_past_a_deadline_is_a_failure_like_any_other() {
    let rig = run(3, "parallel=1", &[(0, Fate::Never)]);
    assert!(matches!(rig.status(), Status::Paused(Pause::Unclear { .. })));
    assert_eq!((rig.code(0).as_str(), rig.outcomes().as_str()), ("deadline", "xss"));
    assert!(rig.under_way() == 0);
}

/// A host may go from one phase to the next for ever, and is never silent.
#[test]
fn a_host_that_comes_to_no_end_is_asked_for_it_and_then_has_its_row() {
    let fates = [(0, Fate::Never)];
    let mut rig = Rig::new(plan_of(2, policy("parallel=1")), &fates);
    rig.send(Event::Driven { who: "ada".to_owned(), epoch: 1 });
    let phases = [Phase::Building, Phase::Probing].into_iter().cycle();
    for phase in phases.take(100) {
        rig.send(Event::Phase { host: name(0), phase, detail: None });
        if matches!(rig.out[..], [Command::Ask { .. }]) {
            break;
        }
        rig.now += Duration::hours(1);
    }
    assert_eq!((rig.now, rig.out.len()), (at(0) + Duration::hours(6), 1), "it was asked");
    let answer = rig.state.deadline().unwrap();
    rig.send(Event::Phase { host: name(0), phase: Phase::Building, detail: None });
    assert_eq!(rig.state.deadline(), Some(answer), "what it says now gives it no more time");
    rig.go_on();
    assert!(matches!(rig.status(), Status::Paused(Pause::Unclear { .. })));
    assert_eq!((rig.code(0).as_str(), rig.outcomes().as_str()), ("deadline", "xs"));
}

#[test]
fn a_host_whose_updater_is_replaced_says_so_until_it_has_its_row() {
    let mut rig = Rig::new(plan_of(1, policy("")), &[(0, Fate::Never)]);
    rig.send(Event::Driven { who: "ada".to_owned(), epoch: 1 });
    rig.send(Event::UpdatingSelf { host: name(0) });
    rig.send(Event::Phase { host: name(0), phase: Phase::Receiving, detail: None });
    assert_eq!(rig.state.host(&name(0)).unwrap().1.name(), "updating_self");
    let row = Row { to: Some(NEW), ..Row::new(&name(0), HostOutcome::Updated) };
    rig.send(Event::Ended { row: Box::new(row) });
    assert_eq!(rig.status(), &Status::Completed);
}

#[test]
fn a_host_without_room_for_the_archive_is_not_ordered() {
    for (room, outcomes) in [(999, "fu"), (1000, "uu")] {
        let mut plan = plan_of(2, policy(""));
        let Some(Observation::Here(HostReport { app: Some(app), .. })) = &mut plan.hosts[0].seen
        else {
            panic!("it was seen");
        };
        app.room = Some(room);
        let mut rig = Rig::new(plan, &[]);
        rig.run();
        assert_eq!(rig.outcomes(), outcomes);
        assert_eq!(rig.code(0), if room < 1000 { "no_space" } else { "" });
    }
}

#[test]
fn a_pause_starts_nobody_and_waits_for_those_under_way() {
    let mut rig = Rig::new(plan_of(5, policy("parallel=2")), &[]);
    rig.send(Event::Driven { who: "ada".to_owned(), epoch: 1 });
    rig.ask(Request::Interrupt);
    assert_eq!(rig.status(), &Status::Paused(Pause::Interrupted));
    assert_eq!(rig.outcomes(), "uusss");
    assert!(rig.state.rests());
    rig.ask(Request::Resume);
    assert_eq!((rig.status(), rig.outcomes().as_str()), (&Status::Completed, "uuuuu"));
}

#[test]
fn a_first_install_cannot_be_taken_back_and_is_reported() {
    let mut plan = plan_of(3, policy("parallel=1 batch=1"));
    plan.hosts[0].from = None;
    plan.hosts[0].seen = None;
    let mut rig = Rig::new(plan, &[]);
    rig.send(Event::Driven { who: "ada".to_owned(), epoch: 1 });
    let agent = "none".to_owned();
    let app = AppReport { active: None, phase: Phase::Idle, healthy: true, agent, room: None };
    let seen = Observation::Here(HostReport { app: Some(app), updater: OLD });
    rig.out.clear();
    rig.send(Event::Seen { host: name(0), seen });
    assert!(rig.one());
    rig.ask(Request::Rollback);
    assert_eq!((rig.status(), rig.code(0).as_str()), (&Status::Failed, "no_previous_release"));
}

#[test]
fn hosts_that_need_nothing_have_their_rows_from_the_plan() {
    let mut plan = plan_of(3, policy(""));
    plan.hosts[1].action = Action::AlreadyCurrent;
    plan.hosts[2].action = Action::Refuse;
    plan.hosts[2].code = Some("quarantined".to_owned());
    plan.batches[0].hosts = 1;
    let mut rig = Rig::new(plan, &[]);
    rig.run();
    assert_eq!((rig.outcomes().as_str(), rig.status()), ("ucf", &Status::Failed));
    assert_eq!(rig.orders, [name(0)]);
    assert_eq!(rig.code(2), "quarantined");
}

#[test]
fn every_state_says_what_it_waits_for() {
    let rig = run(4, "canary=1 batch=2 approve=canary", &[]);
    insta::assert_snapshot!(waits_for(&rig.state), @"waits since 2026-01-02 03:04:06Z for somebody to approve batch 2; next: it goes on, or ends if it is rejected; without an answer it ends 2026-01-09 03:04:06Z");
    insta::assert_snapshot!(why(&rig.state, &name(0)).unwrap(), @"updated at 2026-01-02 03:04:06Z; nothing more is done there");
    insta::assert_snapshot!(why(&rig.state, &name(2)).unwrap(), @"waits for its turn in batch 2 of 3 since 2026-01-02 03:04:08Z: the rollout waits since 2026-01-02 03:04:06Z for somebody to approve batch 2; next: it goes on, or ends if it is rejected; without an answer it ends 2026-01-09 03:04:06Z");
    let mut rig = Rig::new(plan_of(4, policy("parallel=1")), &[]);
    rig.send(Event::Driven { who: "ada".to_owned(), epoch: 1 });
    insta::assert_snapshot!(waits_for(&rig.state), @"batch 1 of 1: 1 host under way, 3 wait; next: the end");
    insta::assert_snapshot!(why(&rig.state, &name(0)).unwrap(), @"updating (receiving) since 2026-01-02 03:04:05Z; next: the release is proven there, or taken back; if nothing is heard of it until 2026-01-02 05:04:05Z, it has failed");
    insta::assert_snapshot!(why(&rig.state, &name(1)).unwrap(), @"waits for its turn in batch 1 of 1 since 2026-01-02 03:04:05Z: at most 1 host at a time");
}
