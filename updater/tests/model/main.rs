//! A model of the transaction: the real state machine, on an abstract host, with everything that
//! can happen to it in any order.
//!
//! The machine (`next`, `recover`) is the updater's own. What is abstract is the host: a few links
//! and sets in place of a disk, and each act as the list of its durable steps, so that a crash can
//! come between any two. The explorer is a hundred lines of our own: what is asked here is that no
//! path goes on for ever, and the checkers at hand do not tell a cycle from two paths that meet.

mod acts;
mod deadlines;
mod ending;
mod explore;
mod host;
mod properties;
mod updater;

use std::collections::BTreeSet;

use explore::{Explored, explore};
use host::{Budget, Host};
use updater::World;

/// What happens at most on a path: two deaths in one transaction, or one anywhere in two; or one
/// that is asked to stop.
const BUDGETS: [Budget; 3] = [
    Budget { orders: 1, crashes: 2, deaths: 1, faults: 1, stops: 0, counts: false },
    Budget { orders: 2, crashes: 1, deaths: 1, faults: 1, stops: 0, counts: false },
    Budget { orders: 1, crashes: 1, deaths: 1, faults: 1, stops: 1, counts: false },
];

fn explored(first: &Host, budget: Budget) -> Explored {
    let explored = explore(World::new(first.clone(), budget));
    assert!(explored.wrong.is_empty(), "{}", explored.wrong.join("\n\n"));
    explored
}

#[test]
fn what_must_hold_holds_on_an_empty_host() {
    for budget in BUDGETS {
        let explored = explored(&Host::empty(), budget);
        assert!(explored.states > 3_000, "only {} states", explored.states);
    }
}

#[test]
fn what_must_hold_holds_on_a_host_with_two_releases() {
    for budget in BUDGETS {
        let explored = explored(&Host::with_two_releases(), budget);
        assert!(explored.states > 3_000, "only {} states", explored.states);
    }
}

#[test]
fn what_must_hold_holds_in_a_first_handover() {
    let explored = explored(&Host::empty().handing_over(), BUDGETS[2]);
    assert!(explored.states > 3_000, "only {} states", explored.states);
}

#[test]
fn what_must_hold_holds_in_a_handover() {
    for budget in [BUDGETS[0], BUDGETS[2]] {
        let explored = explored(&Host::with_two_releases().handing_over(), budget);
        assert!(explored.states > 3_000, "only {} states", explored.states);
    }
}

#[test]
fn what_must_hold_holds_of_a_migration_and_of_what_follows_it() {
    for host in [Host::empty(), Host::with_two_releases()] {
        for first in [host.clone(), host.handing_over()] {
            let budget =
                Budget { orders: 2, crashes: 1, deaths: 0, faults: 1, stops: 0, counts: false };
            let explored = explored(&first.migrating(), budget);
            assert!(explored.states > 1_000, "only {} states", explored.states);
        }
    }
}

#[test]
fn what_must_hold_holds_in_two_handovers() {
    let budget = Budget { faults: 0, ..BUDGETS[1] };
    let explored = explored(&Host::with_two_releases().handing_over(), budget);
    assert!(explored.states > 3_000, "only {} states", explored.states);
}

#[test]
fn what_must_hold_holds_of_the_updaters_own_releases() {
    for budget in BUDGETS {
        explored(&Host::of_the_updater(), Budget { deaths: 0, stops: 0, ..budget });
    }
}

#[test]
fn what_must_hold_holds_when_the_host_dies_until_it_is_turned_around_and_then_again() {
    let budget = Budget { orders: 1, crashes: 4, deaths: 0, faults: 0, stops: 0, counts: true };
    let two = Host::with_two_releases();
    for host in [two.clone(), two.clone().handing_over(), two.migrating()] {
        explored(&host, budget);
    }
}

/// A checkpoint that the model does not know would be a step of an act that is never torn there.
#[test]
fn the_model_passes_every_checkpoint_and_every_wait_has_a_key() {
    let budget = Budget { orders: 2, crashes: 0, deaths: 0, faults: 0, stops: 0, counts: false };
    let (mut checkpoints, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let handing_over = Host::with_two_releases().handing_over();
    let two = Host::with_two_releases();
    let hosts = [Host::empty(), two.clone(), two.migrating(), handing_over, Host::of_the_updater()];
    for host in hosts {
        let explored = explored(&host, budget);
        checkpoints.extend(explored.checkpoints);
        keys.extend(explored.keys);
    }
    let all: BTreeSet<_> = ::sys::CHECKPOINTS.iter().copied().collect();
    assert_eq!(checkpoints, all);
    deadlines::are_keys(&keys.into_iter().collect::<Vec<_>>());
}
