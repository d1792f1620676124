//! Which epochs of masters the hosts have seen.

use protocol::HostName;

use crate::fleet::{Member, ask_hosts};

/// How many hosts are asked at once.
const AT_ONCE: usize = 64;

/// What the hosts have said.
#[derive(Debug, Default)]
pub struct SeenEpochs {
    /// The highest one, and a host that has seen it.
    pub highest: Option<(HostName, u64)>,
    /// How many hosts said what they have seen.
    pub asked: usize,
    /// Hosts that did not.
    pub silent: Vec<HostName>,
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
