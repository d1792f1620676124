//! Who stays when there are more connections than places.
//!
//! Nobody waits at the door: whoever comes gets a place, and when there is one too many, the oldest
//! of those who have the most leaves. So a crowd from one place takes places from itself only, and
//! must never keep somebody out who comes from another.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// So many connections at most, told apart by whom they are from.
#[derive(Debug)]
pub(super) struct Crowd<K> {
    most: usize,
    /// The oldest first.
    members: Mutex<Vec<Member<K>>>,
}

#[derive(Debug)]
struct Member<K> {
    from: K,
    number: u64,
    /// Dropped when it has to leave.
    _stay: oneshot::Sender<()>,
}

/// A place in a crowd, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<K> {
    crowd: Arc<Crowd<K>>,
    number: u64,
    leave: oneshot::Receiver<()>,
}

impl<K: Clone + Eq + Hash> Crowd<K> {
    /// An empty one.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, members: Mutex::default() })
    }

    /// One more, under a number that no other has.
    pub(super) fn admit(self: &Arc<Self>, from: K, number: u64) -> Place<K> {
        let (stay, leave) = oneshot::channel();
        let mut members = self.members();
        members.push(Member { from, number, _stay: stay });
        if members.len() > self.most {
            make_room(&mut members);
        }
        Place { crowd: Arc::clone(self), number, leave }
    }

    /// Sends one away, if there is one.
    pub(super) fn make_room(&self) {
        make_room(&mut self.members());
    }
}

impl<K> Crowd<K> {
    fn members(&self) -> MutexGuard<'_, Vec<Member<K>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Place<K> {
    /// Returns when somebody else needs the place more.
    pub(super) async fn lost(&mut self) {
        // Nothing is ever sent: the other end is dropped.
        let _ = (&mut self.leave).await;
    }
}

impl<K> Drop for Place<K> {
    fn drop(&mut self) {
        self.crowd.members().retain(|member| member.number != self.number);
    }
}

/// The oldest of those who have the most leaves; where several have as many, the oldest of them all.
fn make_room<K: Clone + Eq + Hash>(members: &mut Vec<Member<K>>) {
    let mut counts = HashMap::new();
    for member in &*members {
        *counts.entry(member.from.clone()).or_insert(0_usize) += 1;
    }
    let most = counts.values().copied().max();
    if let Some(oldest) =
        members.iter().position(|member| counts.get(&member.from).copied() == most)
    {
        members.remove(oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_lost<K>(place: &mut Place<K>) -> bool {
        place.leave.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn the_oldest_of_the_largest_group_leaves() {
        let crowd = Crowd::new(4);
        let mut lone = crowd.admit("a", 1);
        let mut many: Vec<_> = (2..=4).map(|number| crowd.admit("b", number)).collect();
        let mut newcomer = crowd.admit("c", 5);
        let lost: Vec<_> = many.iter_mut().map(is_lost).collect();
        assert_eq!(lost, [true, false, false]);
        assert!(!is_lost(&mut lone) && !is_lost(&mut newcomer));
    }

    #[test]
    fn a_crowd_of_one_group_turns_over() {
        let crowd = Crowd::new(2);
        let mut places: Vec<_> = (1..=4).map(|number| crowd.admit("a", number)).collect();
        let lost: Vec<_> = places.iter_mut().map(is_lost).collect();
        assert_eq!(lost, [true, true, false, false]);
    }

    #[test]
    fn whoever_left_by_themselves_makes_room() {
        let crowd = Crowd::new(2);
        let mut stays = crowd.admit("a", 1);
        drop(crowd.admit("a", 2));
        let mut third = crowd.admit("a", 3);
        assert!(!is_lost(&mut stays) && !is_lost(&mut third));
        crowd.make_room();
        assert!(is_lost(&mut stays) && !is_lost(&mut third));
    }
}
