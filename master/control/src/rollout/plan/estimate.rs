//! How long a rollout will take, by what was measured before. Without that, nothing is guessed.

use std::collections::BTreeMap;

use engine::{BatchRanges, Plan};
use explain::span;
use protocol::HostName;
use serde::Serialize;

/// An estimate, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// From the first host to the last.
    pub seconds: u64,
    pub basis: String,
}

impl Estimate {
    /// In words, for who watches.
    pub fn words(&self) -> String {
        format!("about {} expected", span(self.seconds.saturating_mul(1000)))
    }
}

/// Estimates from what hosts took before, in milliseconds, the newest first. A host takes what it
/// took in the median; one that was never seen, what all did; and none takes less than it is
/// watched. A batch takes as long as its longest host, and no less than its hosts together by
/// `parallel`.
pub fn estimate(plan: &Plan, before: &[(HostName, u64)]) -> Option<Estimate> {
    let all = median(before.iter().map(|(_, time)| *time).collect())?;
    let mut by_host: BTreeMap<&HostName, Vec<u64>> = BTreeMap::new();
    for (host, time) in before {
        by_host.entry(host).or_default().push(*time);
    }
    let watch = plan.policy.options.watch.map_or(0, |watch| watch.0.as_millis());
    let watch = u64::try_from(watch).unwrap_or(u64::MAX);
    let of = |place: usize| {
        let known = by_host.get(&plan.hosts[place].host).cloned().unwrap_or_default();
        median(known).unwrap_or(all).max(watch)
    };
    let division = BatchRanges::of(&plan.batches);
    let parallel = u64::from(plan.policy.parallel.get());
    let batch = |number| {
        let times = || division.hosts_of(number).map(of);
        let together = times().fold(0, u64::saturating_add).div_ceil(parallel);
        times().max().unwrap_or(0).max(together)
    };
    let pauses = u64::try_from(plan.batches.len().saturating_sub(1)).unwrap_or(u64::MAX);
    let delays = pauses.saturating_mul(plan.policy.delay.0.as_secs());
    let milliseconds = (0..plan.batches.len()).map(batch).fold(0, u64::saturating_add);
    let took = format!("{}.{} s", all / 1000, all % 1000 / 100);
    let basis = match before.len() {
        1 => format!("1 host before took {took}"),
        count => format!("{count} hosts before took {took} each in the median"),
    };
    Some(Estimate { seconds: milliseconds.div_ceil(1000).saturating_add(delays), basis })
}

fn median(mut times: Vec<u64>) -> Option<u64> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}
