//! Which hosts belong to which batch.

use std::ops::Range;

use crate::Batch;

/// The batches of a plan, each as the range of its hosts' indices. Computed once, since there may be
/// as many batches as hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRanges(Vec<Range<usize>>);

impl BatchRanges {
    pub fn of(batches: &[Batch]) -> Self {
        let mut start = 0;
        let range = |batch: &Batch| {
            let range = start..start + batch.hosts as usize;
            start = range.end;
            range
        };
        Self(batches.iter().map(range).collect())
    }

    /// The hosts of a batch, counted from 0; an empty range, if there is no such batch.
    pub fn hosts_of(&self, batch: usize) -> Range<usize> {
        self.0.get(batch).cloned().unwrap_or(self.hosts()..self.hosts())
    }

    /// The batch of a host; none for a host that the plan leaves alone.
    pub fn batch_of(&self, index: usize) -> Option<usize> {
        let batch = self.0.partition_point(|hosts| hosts.end <= index);
        (batch < self.0.len()).then_some(batch)
    }

    /// Takes the next host into a batch, out of the one after it; none, if no host is left.
    pub(super) fn take_next(&mut self, batch: usize) -> Option<usize> {
        let (next, all) = (self.0.get(batch)?.end, self.hosts());
        if next >= all {
            return None;
        }
        self.0[batch].end = next + 1;
        for later in self.0.iter_mut().skip(batch + 1).filter(|later| later.start == next) {
            *later = next + 1..later.end.max(next + 1);
        }
        Some(next)
    }

    /// How many hosts they have together.
    pub fn hosts(&self) -> usize {
        self.0.last().map_or(0, |last| last.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_that_is_changed_is_in_one_batch() {
        let batch = |hosts| Batch { hosts, canary: false };
        let batches = BatchRanges::of(&[batch(1), batch(3), batch(2)]);
        assert_eq!((batches.hosts_of(1), batches.hosts_of(3), batches.hosts()), (1..4, 6..6, 6));
        let found: Vec<_> = (0..7).map(|index| batches.batch_of(index)).collect();
        assert_eq!(found, [Some(0), Some(1), Some(1), Some(1), Some(2), Some(2), None]);
        assert_eq!(BatchRanges::of(&[]).batch_of(0), None);
    }

    #[test]
    fn a_batch_takes_hosts_from_those_after_it_until_none_is_left() {
        let batch = |hosts| Batch { hosts, canary: false };
        let mut batches = BatchRanges::of(&[batch(1), batch(1), batch(2)]);
        let taken: Vec<_> = std::iter::from_fn(|| batches.take_next(0)).collect();
        assert_eq!((taken, batches.hosts()), (vec![1, 2, 3], 4));
        let mut batches = BatchRanges::of(&[batch(1), batch(1), batch(2)]);
        assert_eq!(batches.take_next(0), Some(1));
        let found: Vec<_> = (0..5).map(|index| batches.batch_of(index)).collect();
        assert_eq!(found, [Some(0), Some(0), Some(2), Some(2), None]);
        assert!(batches.hosts_of(1).is_empty());
    }
}
