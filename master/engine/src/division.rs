//! Which hosts belong to which batch.

use std::ops::Range;

use crate::Batch;

/// The batches of a plan, each as the places of its hosts: these follow one another. Worked out
/// once, since there may be as many batches as hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division(Vec<Range<usize>>);

impl Division {
    pub fn of(batches: &[Batch]) -> Self {
        let mut start = 0;
        let range = |batch: &Batch| {
            let range = start..start + batch.hosts as usize;
            start = range.end;
            range
        };
        Self(batches.iter().map(range).collect())
    }

    /// Which hosts a batch has, from 0; none, if there is no such batch.
    pub fn hosts_of(&self, batch: usize) -> Range<usize> {
        self.0.get(batch).cloned().unwrap_or(self.hosts()..self.hosts())
    }

    /// The batch of a host; none for one that is left alone.
    pub fn batch_of(&self, place: usize) -> Option<usize> {
        let batch = self.0.partition_point(|hosts| hosts.end <= place);
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
        let division = Division::of(&[batch(1), batch(3), batch(2)]);
        assert_eq!((division.hosts_of(1), division.hosts_of(3), division.hosts()), (1..4, 6..6, 6));
        let found: Vec<_> = (0..7).map(|place| division.batch_of(place)).collect();
        assert_eq!(found, [Some(0), Some(1), Some(1), Some(1), Some(2), Some(2), None]);
        assert_eq!(Division::of(&[]).batch_of(0), None);
    }
}
