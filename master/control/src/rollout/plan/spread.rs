//! An order in which every batch takes from each failure domain what is its share.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use engine::PlannedHost;

/// Mixes the domains, each evenly over the whole length; within one, the order stays. Hosts without
/// the label are a domain of their own.
pub(super) fn spread(hosts: Vec<PlannedHost>) -> Vec<PlannedHost> {
    let mut sizes: BTreeMap<Option<String>, u64> = BTreeMap::new();
    let mut placed: Vec<(u64, PlannedHost)> = Vec::with_capacity(hosts.len());
    for host in hosts {
        let size = sizes.entry(host.domain.clone()).or_default();
        placed.push((*size, host));
        *size += 1;
    }
    // The k-th of m hosts stands at (2k + 1) / 2m of the way.
    placed.sort_by(|(first, one), (second, other)| {
        let (first_size, second_size) = (sizes[&one.domain], sizes[&other.domain]);
        let one_at = u128::from(2 * first + 1) * u128::from(second_size);
        let other_at = u128::from(2 * second + 1) * u128::from(first_size);
        match one_at.cmp(&other_at) {
            Ordering::Equal => one.domain.cmp(&other.domain),
            unequal => unequal,
        }
    });
    placed.into_iter().map(|(_, host)| host).collect()
}
