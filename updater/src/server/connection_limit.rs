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
pub(super) struct ConnectionPool<K> {
    most: usize,
    members: Mutex<Members<K>>,
}

#[derive(Debug)]
struct Members<K> {
    oldest_first: Vec<Member<K>>,
    /// How many there are from each.
    counts: HashMap<K, usize>,
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
pub(super) struct Permit<K: Eq + Hash> {
    crowd: Arc<ConnectionPool<K>>,
    number: u64,
    leave: oneshot::Receiver<()>,
}

impl<K: Clone + Eq + Hash> ConnectionPool<K> {
    pub(super) fn new(most: usize) -> Arc<Self> {
        let members = Members { oldest_first: Vec::new(), counts: HashMap::new() };
        Arc::new(Self { most, members: Mutex::new(members) })
    }

    /// One more, under a number that no other has.
    pub(super) fn admit(self: &Arc<Self>, from: K, number: u64) -> Permit<K> {
        let (stay, leave) = oneshot::channel();
        let mut members = self.members();
        *members.counts.entry(from.clone()).or_default() += 1;
        members.oldest_first.push(Member { from, number, _stay: stay });
        if members.oldest_first.len() > self.most {
            members.make_room();
        }
        Permit { crowd: Arc::clone(self), number, leave }
    }
}

impl<K: Eq + Hash> ConnectionPool<K> {
    /// Sends one away, if there is one.
    pub(super) fn make_room(&self) {
        self.members().make_room();
    }

    fn members(&self) -> MutexGuard<'_, Members<K>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Members<K> {
    /// The oldest of those who have the most leaves; where several have as many, the oldest of
    /// them all.
    fn make_room(&mut self) {
        let most = self.counts.values().max();
        let has_most = |member: &Member<K>| self.counts.get(&member.from) == most;
        if let Some(oldest) = self.oldest_first.iter().position(has_most) {
            self.remove(oldest);
        }
    }

    fn remove(&mut self, index: usize) {
        let Member { from, .. } = self.oldest_first.remove(index);
        if let Some(count) = self.counts.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&from);
            }
        }
    }
}

impl<K: Eq + Hash> Permit<K> {
    /// Returns when somebody else needs the place more.
    pub(super) async fn lost(&mut self) {
        // Nothing is ever sent: the other end is dropped.
        let _ = (&mut self.leave).await;
    }
}

impl<K: Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut members = self.crowd.members();
        let own = members.oldest_first.iter().position(|member| member.number == self.number);
        if let Some(own) = own {
            members.remove(own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_lost<K: Eq + Hash>(place: &mut Permit<K>) -> bool {
        place.leave.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn the_oldest_of_the_largest_group_leaves() {
        let crowd = ConnectionPool::new(4);
        let mut lone = crowd.admit("a", 1);
        let mut many: Vec<_> = (2..=4).map(|number| crowd.admit("b", number)).collect();
        let mut newcomer = crowd.admit("c", 5);
        let lost: Vec<_> = many.iter_mut().map(is_lost).collect();
        assert_eq!(lost, [true, false, false]);
        assert!(!is_lost(&mut lone) && !is_lost(&mut newcomer));
    }

    #[test]
    fn a_crowd_of_one_group_turns_over() {
        let crowd = ConnectionPool::new(2);
        let mut places: Vec<_> = (1..=4).map(|number| crowd.admit("a", number)).collect();
        let lost: Vec<_> = places.iter_mut().map(is_lost).collect();
        assert_eq!(lost, [true, true, false, false]);
    }

    #[test]
    fn whoever_left_by_themselves_makes_room() {
        let crowd = ConnectionPool::new(2);
        let mut stays = crowd.admit("a", 1);
        drop(crowd.admit("a", 2));
        let mut third = crowd.admit("a", 3);
        assert!(!is_lost(&mut stays) && !is_lost(&mut third));
        crowd.make_room();
        assert!(is_lost(&mut stays) && !is_lost(&mut third));
    }
}
