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
}
