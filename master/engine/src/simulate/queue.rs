//! What is going to happen, by time. What is due at the same time comes in the order in which it was
//! put here, so that a run is the same each time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::simulate::network::Time;

/// Things in their order.
pub(super) struct Queue<T> {
    heap: BinaryHeap<Reverse<Due<T>>>,
    put: u64,
}

struct Due<T> {
    time: Time,
    number: u64,
    what: T,
}

impl<T> Queue<T> {
    pub(super) const fn new() -> Self {
        Self { heap: BinaryHeap::new(), put: 0 }
    }

    pub(super) fn put(&mut self, time: Time, what: T) {
        self.put += 1;
        self.heap.push(Reverse(Due { time, number: self.put, what }));
    }

    /// When the next thing is due.
    pub(super) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse(due)| due.time)
    }

    pub(super) fn take(&mut self) -> Option<(Time, T)> {
        self.heap.pop().map(|Reverse(due)| (due.time, due.what))
    }
}

impl<T> Due<T> {
    const fn key(&self) -> (Time, u64) {
        (self.time, self.number)
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Due<T> {}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_by_time_and_then_as_they_were_put() {
        let mut queue = Queue::new();
        for (time, what) in [(5, 'c'), (1, 'a'), (5, 'd'), (3, 'b')] {
            queue.put(time, what);
        }
        assert_eq!(queue.next(), Some(1));
        let all: String = std::iter::from_fn(|| queue.take()).map(|(_, what)| what).collect();
        assert_eq!(all, "abcd");
    }
}
