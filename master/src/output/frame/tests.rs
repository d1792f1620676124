use std::sync::Arc;

use engine::{Event, Request, State};
use testing::{HostScript, ScriptedRollout, at, driver, name, plan_of, policy, rollout, run};

use super::*;
use time::Duration;

fn of(state: State, driven: bool) -> RolloutStatus {
    RolloutStatus { rollout: rollout(), state, driver: driven.then(driver) }
}

/// Draws a rollout, and sees that it fits.
fn drawn(status: &RolloutStatus, now: OffsetDateTime, size: (usize, usize)) -> String {
    let expected = Estimate { seconds: 250, basis: String::new() };
    let progress = BTreeMap::from([
        (name(4), HostProgress::Sent { bytes: 1 << 20, total: 5 << 20 }),
        (name(5), HostProgress::Probed { attempt: 7, passed: true }),
    ]);
    let view = View {
        status,
        names: &ReleaseNames::default(),
        expected: Some(&expected),
        progress: &progress,
        messages: status.abandoned().into_iter().collect(),
        style: Style::default(),
        now,
    };
    let lines = frame(&view, size);
    assert!(lines.iter().all(|line| line.chars().count() <= size.0), "{lines:#?}");
    assert!(lines.len() <= size.1, "{} lines: {lines:#?}", lines.len());
    lines.join("\n")
}

/// A rollout of which some hosts failed, some move and many wait.
fn half_way(hosts: u32) -> (RolloutStatus, OffsetDateTime) {
    let plan = plan_of(hosts, policy("batch=20 watch=60s parallel=9 row=9 failures=9"));
    let mut scripted = ScriptedRollout::new(
        plan,
        &[
            (0, HostScript::Bad),
            (1, HostScript::Full),
            (4, HostScript::Never),
            (5, HostScript::Never),
            (6, HostScript::Never),
            (7, HostScript::Never),
        ],
    );
    scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
    let orders = usize::try_from(hosts.min(15)).unwrap();
    while scripted.orders.len() < orders && scripted.one() {}
    scripted.send(Event::PhaseEntered { host: name(5), phase: Phase::Watching, detail: None });
    scripted.send(Event::PhaseEntered { host: name(6), phase: Phase::Building, detail: None });
    (of(scripted.state, true), scripted.now + Duration::seconds(12))
}

#[test]
fn every_window_has_the_counts_what_comes_next_and_the_hosts_that_matter() {
    for hosts in [12, 50, 500_u32] {
        let (status, now) = half_way(hosts);
        for (columns, lines) in [(40, 24), (80, 24), (120, 40), (220, 50)] {
            let shown = drawn(&status, now, (columns, lines));
            for needed in ["batch 1 of", "next:", "done after", "watching", "✗ h-0"] {
                assert!(shown.replace('\n', " ").contains(needed), "{needed}: {shown}");
            }
            insta::assert_snapshot!(format!("half_way_{hosts}_hosts_{columns}_columns"), shown);
        }
    }
}

#[test]
fn the_smallest_window_has_the_batch_and_a_host() {
    for lines in 1..14 {
        let (status, now) = half_way(50);
        let shown = drawn(&status, now, (30, lines));
        assert!(shown.starts_with("batch 1 of"), "{shown}");
    }
}

#[test]
fn what_failed_comes_first_and_leaves_room_for_what_moves() {
    let scripted = run(
        500,
        "batch=10% parallel=4 row=2",
        &[(3, HostScript::Full), (7, HostScript::Bad), (8, HostScript::Bad)],
    );
    insta::assert_snapshot!(drawn(&of(scripted.state, true), at(75), (80, 16)));
}

#[test]
fn a_plan_that_nobody_drives_is_drawn_too() {
    let state = State::new(Arc::new(plan_of(3, policy(""))), at(0));
    insta::assert_snapshot!(drawn(&of(state, false), at(5), (80, 24)));
}

#[test]
fn a_rollout_that_was_left_half_way_says_how_to_go_on() {
    let mut scripted =
        ScriptedRollout::new(plan_of(3, policy("parallel=1")), &[(1, HostScript::Never)]);
    scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
    while scripted.orders.len() < 2 && scripted.one() {}
    insta::assert_snapshot!(drawn(&of(scripted.state.clone(), false), at(5), (80, 24)));
    scripted.ask(Request::Abort);
    let over = drawn(&of(scripted.state, false), at(5), (80, 24));
    assert!(!over.contains("resume"), "{over}");
}
