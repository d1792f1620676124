//! How many hosts a bad release can harm before the breaker stops it, at the very worst.

use serde::Serialize;

use crate::Plan;

/// The worst case of a plan. A host is harmed if the release was switched to there and failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WorstCase {
    /// So many hosts are harmed at most, whichever they are and in whatever order they fail, before
    /// the rollout stops (or has come to its end without).
    pub harmed: u32,
    /// So many if the release is bad everywhere.
    pub if_bad_everywhere: u32,
    /// Of so many that are changed.
    pub hosts: u32,
}

/// Works it out from what trips the breaker, and from what is under way when it does.
///
/// When one host's failure trips it, the others of its batch that were started beside it may fail
/// as well: `parallel - 1` at most, and no more than the batch has left. Before that, whoever wants
/// to do the most harm lets just so many hosts succeed that no limit is reached.
pub fn worst_case(plan: &Plan) -> WorstCase {
    let policy = &plan.policy;
    let in_a_row = policy.max_consecutive_failures.get();
    let in_all = plan.failures_in_all().unwrap_or(u32::MAX);
    let beside = policy.parallel.get() - 1;
    let (mut harmed, mut everywhere, mut before) = (0, None, 0);
    for batch in &plan.batches {
        if batch.canary {
            // Any failure trips it. If there is none, the next batches begin with a clean record.
            let first = batch.hosts.min(1 + beside);
            harmed = harmed.max(first);
            everywhere.get_or_insert(first);
            continue;
        }
        for ended in 1..=batch.hosts {
            // How many of the first `so_far` hosts may have failed when the breaker trips here.
            let so_far = before + ended;
            let at_trip = match so_far.checked_sub(in_a_row) {
                Some(rest) => (so_far - rest.div_ceil(in_a_row)).min(in_all),
                None if so_far >= in_all => in_all,
                None => continue,
            };
            let late = beside.min(batch.hosts - ended);
            harmed = harmed.max(at_trip + late);
            if so_far >= in_a_row.min(in_all) {
                everywhere.get_or_insert(in_a_row.min(in_all).min(so_far) + late);
            }
        }
        before += batch.hosts;
    }
    // Or no limit is ever reached.
    let without = (before - before / in_a_row).min(in_all.saturating_sub(1));
    WorstCase {
        harmed: harmed.max(without),
        if_bad_everywhere: everywhere.unwrap_or(before),
        hosts: plan.changes(),
    }
}
