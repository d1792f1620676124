//! Rollouts are found by their names.

use std::collections::BTreeSet;

use store::{RolloutId, StoreError};
use testing::path_and_store;

#[test]
fn an_unknown_rollout_is_an_error() {
    let (_directory, store) = path_and_store();
    let id = RolloutId::new();
    assert!(matches!(store.rollout(id), Err(StoreError::UnknownRollout(_))));
    let found = store.find_rollout("nothing");
    assert!(matches!(found, Err(StoreError::NoSuchRollout(_))));
}

#[test]
fn lesson_46_no_two_rollouts_have_the_same_id_and_they_sort_by_time() {
    let ids: Vec<_> = (0..10_000).map(|_| RolloutId::new()).collect();
    assert!(ids.is_sorted());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}
