//! Which connections stay when there are more of them than the limit.
//!
//! A new connection is always admitted; over the limit, the oldest connection of the source with the
//! most is closed. So a crowd from one source takes places from itself only, and must never keep out
//! a connection that comes from another.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// So many connections at most, told apart by their source.
#[derive(Debug)]
pub(crate) struct ConnectionPool<K> {
    most: usize,
    members: Mutex<Members<K>>,
}

#[derive(Debug)]
struct Members<K> {
    oldest_first: Vec<Member<K>>,
    /// How many there are of each source.
    counts: HashMap<K, usize>,
}

#[derive(Debug)]
struct Member<K> {
    source: K,
    number: u64,
    /// Dropped when the connection has to be closed.
    _stay: oneshot::Sender<()>,
}

/// A place in a pool, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit<K: Eq + Hash> {
    pool: Arc<ConnectionPool<K>>,
    number: u64,
    leave: oneshot::Receiver<()>,
}

impl<K: Clone + Eq + Hash> ConnectionPool<K> {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let members = Members { oldest_first: Vec::new(), counts: HashMap::new() };
        Arc::new(Self { most, members: Mutex::new(members) })
    }

    /// One more, under a number that no other has.
    pub(crate) fn admit(self: &Arc<Self>, source: K, number: u64) -> Permit<K> {
        let (stay, leave) = oneshot::channel();
        let mut members = self.members();
        *members.counts.entry(source.clone()).or_default() += 1;
        members.oldest_first.push(Member { source, number, _stay: stay });
        if members.oldest_first.len() > self.most {
            members.make_room();
        }
        Permit { pool: Arc::clone(self), number, leave }
    }
}

impl<K: Eq + Hash> ConnectionPool<K> {
    /// Closes one, if there is one.
    pub(crate) fn make_room(&self) {
        self.members().make_room();
    }

    fn members(&self) -> MutexGuard<'_, Members<K>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Members<K> {
    /// The oldest connection of the source with the most leaves; where several sources have as many,
    /// the oldest of them all.
    fn make_room(&mut self) {
        let most = self.counts.values().max();
        let has_most = |member: &Member<K>| self.counts.get(&member.source) == most;
        if let Some(oldest) = self.oldest_first.iter().position(has_most) {
            self.remove(oldest);
        }
    }

    fn remove(&mut self, index: usize) {
        let Member { source, .. } = self.oldest_first.remove(index);
        if let Some(count) = self.counts.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&source);
            }
        }
    }
}

impl<K: Eq + Hash> Permit<K> {
    /// Returns when another connection has got the place.
    pub(crate) async fn lost(&mut self) {
        // Nothing is ever sent: the other end is dropped.
        let _ = (&mut self.leave).await;
    }
}

impl<K: Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut members = self.pool.members();
        let own = members.oldest_first.iter().position(|member| member.number == self.number);
        if let Some(own) = own {
            members.remove(own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_lost<K: Eq + Hash>(permit: &mut Permit<K>) -> bool {
        permit.leave.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn the_oldest_of_the_source_with_the_most_leaves() {
        let pool = ConnectionPool::new(4);
        let mut lone = pool.admit("a", 1);
        let mut many: Vec<_> = (2..=4).map(|number| pool.admit("b", number)).collect();
        let mut newcomer = pool.admit("c", 5);
        let lost: Vec<_> = many.iter_mut().map(is_lost).collect();
        assert_eq!(lost, [true, false, false]);
        assert!(!is_lost(&mut lone) && !is_lost(&mut newcomer));
    }

    #[test]
    fn a_pool_of_one_source_turns_over() {
        let pool = ConnectionPool::new(2);
        let mut permits: Vec<_> = (1..=4).map(|number| pool.admit("a", number)).collect();
        let lost: Vec<_> = permits.iter_mut().map(is_lost).collect();
        assert_eq!(lost, [true, true, false, false]);
    }

    #[test]
    fn a_connection_that_ended_by_itself_makes_room() {
        let pool = ConnectionPool::new(2);
        let mut stays = pool.admit("a", 1);
        drop(pool.admit("a", 2));
        let mut third = pool.admit("a", 3);
        assert!(!is_lost(&mut stays) && !is_lost(&mut third));
        pool.make_room();
        assert!(is_lost(&mut stays) && !is_lost(&mut third));
    }
}
