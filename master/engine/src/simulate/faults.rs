//! What goes wrong in a simulated fleet, and how often.

use crate::simulate::Rate;

/// Shares are of the hosts, unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// Share of hosts on which the release fails and is taken back
    pub bad: Rate,
    /// Share of hosts with a fault of their own: no space, a failing build
    pub broken: Rate,
    /// Share of hosts that fail for an unknown reason
    pub unclear: Rate,
    /// Share of hosts that begin and never end
    pub hung: Rate,
    /// Share of hosts that the release cuts off for good
    pub gone: Rate,
    /// Share of hosts that are unhealthy before the rollout
    pub unwell: Rate,
    /// Share of hosts that take twenty times as long
    pub slow: Rate,
    /// Share of hosts that cannot be reached at all
    pub down: Rate,
    /// Share of hosts that come and go every few minutes
    pub flapping: Rate,
    /// Share of replies that are lost, with their connection
    pub lost: Rate,
    /// Number of times that a third of the hosts is cut off for a while
    pub partitions: u32,
    /// Number of times that the master dies after storing something, and is restarted
    pub deaths: u32,
}

impl Faults {
    /// As they are written on the command line, without those that are as they are anyway.
    pub fn words(&self) -> String {
        let usual = Self { slow: Rate::of_million(10_000), ..Self::default() };
        let rates = [
            ("bad", self.bad, usual.bad),
            ("broken", self.broken, usual.broken),
            ("unclear", self.unclear, usual.unclear),
            ("hung", self.hung, usual.hung),
            ("gone", self.gone, usual.gone),
            ("unwell", self.unwell, usual.unwell),
            ("slow", self.slow, usual.slow),
            ("down", self.down, usual.down),
            ("flapping", self.flapping, usual.flapping),
            ("lost", self.lost, usual.lost),
        ];
        let counts = [("partitions", self.partitions), ("deaths", self.deaths)];
        let rates = rates.iter().filter(|(_, rate, usual)| rate != usual);
        let rates = rates.map(|(name, rate, _)| format!(" --{name} {rate}"));
        let counts = counts.iter().filter(|(_, count)| *count > 0);
        rates.chain(counts.map(|(name, count)| format!(" --{name} {count}"))).collect()
    }
}
