//! Which epochs of masters the hosts have seen, and which of them are believed: one host that lies must not
//! drive the number to its end.

use protocol::HostName;
use time::OffsetDateTime;

use crate::fleet::{Member, ask_hosts};

/// How many hosts are asked at once.
const AT_ONCE: usize = 64;
/// No take-over, no count of them and no clock in seconds comes to this: programs that read JSON hold it still.
const IMPOSSIBLE: u64 = 1 << 53;
/// A take-over makes the epoch at least the time in seconds. So far ahead a clock may have been then.
const CLOCK_AHEAD: u64 = 366 * 24 * 60 * 60;
/// So often orders may have been taken over since a backup was made.
const TAKEN_OVER: u64 = 1 << 20;

/// What the hosts have said.
#[derive(Debug, Default)]
pub struct SeenEpochs {
    /// The highest one, and a host that has seen it.
    pub highest: Option<(HostName, u64)>,
    /// How many hosts said what they have seen.
    pub asked: usize,
    /// Hosts that did not.
    pub silent: Vec<HostName>,
    /// Hosts that have said what no master can have come to, and are left out.
    pub impossible: Vec<(HostName, u64)>,
}

/// Whether a copy of a master whose epoch is `own` may have come to the one that a host has `seen`: without
/// an operator that looks, no other is believed.
pub fn is_plausible(seen: u64, own: u64, now: OffsetDateTime) -> bool {
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or(0);
    seen < IMPOSSIBLE
        && seen <= seconds.saturating_add(CLOCK_AHEAD).max(own.saturating_add(TAKEN_OVER))
}

/// Asks all hosts.
pub async fn seen_epochs(members: Vec<Member>) -> SeenEpochs {
    let asked = members.into_iter().filter(|member| member.skip.is_none()).map(|member| {
        let task = async move { Some(member.client.ok()?.health().await.ok()?.epoch) };
        (member.host, task)
    });
    let mut seen = SeenEpochs::default();
    for (host, epoch) in ask_hosts(AT_ONCE, asked).await {
        match epoch.ok().flatten() {
            None => seen.silent.push(host),
            Some(epoch) if epoch >= IMPOSSIBLE => seen.impossible.push((host, epoch)),
            Some(epoch) => {
                seen.asked += 1;
                if seen.highest.as_ref().is_none_or(|(_, highest)| epoch > *highest) {
                    seen.highest = Some((host, epoch));
                }
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use testing::at;

    use super::*;

    #[test]
    fn what_no_master_can_have_come_to_is_not_believed() {
        let now = u64::try_from(at(0).unix_timestamp()).unwrap();
        for seen in [2, 900, now, now + 3600] {
            assert!(is_plausible(seen, 1, at(0)), "{seen}");
        }
        for seen in [now + 2 * CLOCK_AHEAD, IMPOSSIBLE, u64::MAX] {
            assert!(!is_plausible(seen, 1, at(0)), "{seen}");
        }
        // Where an operator has taken over from one that was far ahead, it goes on from there.
        let ahead = now + 2 * CLOCK_AHEAD;
        assert!(is_plausible(ahead + 5, ahead, at(0)));
        assert!(!is_plausible(IMPOSSIBLE, IMPOSSIBLE - 1, at(0)));
    }
}
