//! How many hosts a bad release can harm before the breaker stops it, at the very worst.

use serde::Serialize;

use crate::Plan;

/// The worst case of a plan. A host is harmed if it switched to the release and the release failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WorstCase {
    /// How many hosts are harmed at most before the rollout stops or ends, whichever they are and in
    /// whatever order they fail.
    pub harmed: u32,
    /// How many, if the release is bad everywhere.
    pub if_bad_everywhere: u32,
    /// How many hosts are changed.
    pub hosts: u32,
}

/// Computes it from what trips the breaker, and from what is under way when it does.
///
/// When one host's failure trips it, the others of its batch that were started beside it may fail
/// as well: `parallel - 1` at most, and no more than the batch has left. Before that, the most harm is
/// done when just so many hosts succeed that no limit is reached. A host that takes its turn in a batch
/// that proved nothing is started alone, so it adds nothing to this.
pub fn worst_case(plan: &Plan) -> WorstCase {
    let policy = &plan.policy;
    let in_a_row = policy.max_consecutive_failures.get();
    let in_all = plan.total_failure_limit().unwrap_or(u32::MAX);
    let beside = policy.parallel.get() - 1;
    let (mut harmed, mut before) = (0, 0);
    for batch in &plan.batches {
        if batch.canary {
            // Any failure trips it. If there is none, the next batches begin with a clean record.
            harmed = harmed.max(batch.hosts.min(1 + beside));
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
            harmed = harmed.max(at_trip + beside.min(batch.hosts - ended));
        }
        before += batch.hosts;
    }
    // Or no limit is ever reached.
    let without = (before - before / in_a_row).min(in_all.saturating_sub(1));
    WorstCase {
        harmed: harmed.max(without),
        if_bad_everywhere: if_bad_everywhere(plan, in_a_row.min(in_all), beside),
        hosts: plan.changed_hosts(),
    }
}

/// Only hosts of the first batch are started side by side then: none proves the release, so that each
/// further one takes its turn alone.
fn if_bad_everywhere(plan: &Plan, limit: u32, beside: u32) -> u32 {
    match plan.batches.first() {
        Some(canary) if canary.canary => canary.hosts.min(1 + beside),
        Some(first) if first.hosts >= limit => limit + beside.min(first.hosts - limit),
        _ => limit.min(plan.changed_hosts()),
    }
}
