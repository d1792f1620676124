//! How much harm a plan allows.

use engine::worst_case;
use testing::{plan_of, policy};

fn worst(hosts: u32, words: &str) -> (u32, u32) {
    let worst = worst_case(&plan_of(hosts, policy(words)));
    (worst.harmed, worst.if_bad_everywhere)
}

#[test]
fn a_total_limit_bounds_the_harm_to_itself_and_what_is_under_way() {
    assert_eq!(worst(50, "parallel=1 failures=3"), (3, 2));
    assert_eq!(worst(50, "parallel=2 failures=2"), (3, 3));
    assert_eq!(worst(50, "canary=1 batch=10 parallel=16 failures=10%"), (14, 1));
    assert_eq!(worst(50, "batch=5 parallel=16 failures=1"), (5, 5));
    assert_eq!(worst(3, "parallel=16"), (3, 3));
}

#[test]
fn lesson_42_without_a_total_limit_every_other_host_may_fail() {
    assert_eq!(worst(50, "parallel=1 row=2"), (26, 2));
    assert_eq!(worst(10, "parallel=1 row=1"), (1, 1));
    assert_eq!(worst(10, "parallel=1 row=20"), (10, 10));
}

#[test]
fn lesson_35_a_canary_is_all_that_a_release_can_harm_that_is_bad_everywhere() {
    assert_eq!(worst(500, "canary=1 batch=10% parallel=50").1, 1);
    assert_eq!(worst(500, "canary=3 batch=10% parallel=2").1, 2);
}
