//! Thousands of rollouts, each with its own luck.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::simulate::{Answer, Faults, Outcome, Rate, Scenario, run};
use crate::{Approve, Policy};

/// How many of each kind are run here. `swarm simulate --any --seeds` runs as many as one likes.
const SEEDS: u64 = 300;

fn of_chance(seed: u64) -> Scenario {
    Scenario::of_chance(seed, 3 + u32::try_from(seed % 30).unwrap())
}

fn held(outcomes: impl Iterator<Item = (Scenario, Outcome)>) -> BTreeMap<&'static str, u32> {
    let mut statuses = BTreeMap::new();
    for (scenario, outcome) in outcomes {
        *statuses.entry(outcome.status).or_default() += 1;
        assert!(outcome.broken.is_empty(), "{}\n{:#?}", scenario.seed, outcome.broken);
    }
    statuses
}

#[test]
fn what_must_hold_holds_whatever_happens() {
    let outcomes = (0..SEEDS).map(of_chance).map(|scenario| (scenario.clone(), run(&scenario)));
    let statuses = held(outcomes);
    // Every end was come to, or this would show little.
    assert!(statuses.len() >= 4 && statuses.values().all(|count| *count > 5), "{statuses:?}");
}

/// Where nothing stops a rollout half way, every host comes to the same, however often the master dies.
#[test]
fn a_master_that_dies_changes_nothing_for_any_host() {
    let mut compared = 0;
    for seed in 0..SEEDS {
        let luck = of_chance(seed);
        let run_with = |deaths| {
            let never = Rate::default();
            let network =
                Faults { flapping: never, lost: never, partitions: 0, ..luck.faults.clone() };
            let policy = Policy {
                approve: Approve::Never,
                canary: 0,
                max_consecutive_failures: NonZeroU32::MAX,
                max_failures: None,
                ..luck.policy.clone()
            };
            let faults = Faults { unclear: never, hung: never, gone: never, deaths, ..network };
            run(&Scenario { faults, policy, busy: false, ..luck.clone() })
        };
        let (whole, resumed) = (run_with(0), run_with(3));
        assert_eq!(whole.hosts, resumed.hosts, "{seed}");
        compared += u32::from(!whole.hosts.contains(&"skipped"));
    }
    assert!(compared > 100, "{compared}");
}

/// Whether a host that is not heard of any more was harmed cannot be said: it stops the rollout, too.
#[test]
fn lesson_37_a_release_that_cuts_its_hosts_off_stops_with_those_under_way() {
    for seed in 0..50 {
        let faults = Faults { gone: Rate::of_million(Rate::ALWAYS), ..Faults::default() };
        let policy = Policy { parallel: NonZeroU32::MIN.saturating_add(3), ..Policy::default() };
        let answer = Answer::Never;
        let outcome = run(&Scenario { hosts: 40, seed, policy, faults, answer, busy: false });
        assert!(outcome.broken.is_empty(), "{seed}\n{:#?}", outcome.broken);
        let lost = outcome.outcomes.get("unclear");
        assert_eq!(lost, Some(&outcome.harmed), "{seed}: {}", outcome.waits_for);
        assert!(outcome.harmed <= 4, "{seed}: {} harmed", outcome.harmed);
    }
}

/// Hosts that cannot try it prove nothing: where the release is bad everywhere, a canary is all that it
/// harms, whatever befell the hosts before.
#[test]
fn a_release_that_is_bad_everywhere_harms_what_the_plan_says_for_that() {
    for seed in 0..100 {
        let share = |percent: u64| Rate::of_million(percent * 10_000);
        let faults = Faults {
            bad: share(100),
            broken: share(seed % 90),
            unclear: share(seed % 7),
            down: share(seed % 5),
            ..Faults::default()
        };
        let canary = u32::try_from(seed % 3).unwrap();
        let policy = Policy { canary, batch: "5".parse().ok(), ..Policy::default() };
        let answer = Answer::Never;
        let outcome = run(&Scenario { hosts: 30, seed, policy, faults, answer, busy: false });
        assert!(outcome.broken.is_empty(), "{seed}\n{:#?}", outcome.broken);
        assert!(outcome.harmed <= outcome.worst_case.if_bad_everywhere, "{seed}");
    }
}

#[test]
fn the_same_seed_comes_to_the_same() {
    for seed in 0..20 {
        assert_eq!(run(&of_chance(seed)), run(&of_chance(seed)));
    }
}
