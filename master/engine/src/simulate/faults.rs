//! What goes wrong in a simulated fleet, and how often.

use crate::simulate::Rate;

/// Shares are of the hosts, unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// Hosts on which the release fails, and is taken back
    pub bad: Rate,
    /// Hosts whose own fault it is: no space, a build that fails
    pub broken: Rate,
    /// Hosts that fail without saying whose fault it is
    pub unclear: Rate,
    /// Hosts that begin, and never end
    pub hung: Rate,
    /// Hosts that are cut off by the release, and are not heard of any more
    pub gone: Rate,
    /// Hosts that are not well before it begins
    pub unwell: Rate,
    /// Hosts that take twenty times as long
    pub slow: Rate,
    /// Hosts that cannot be reached at all
    pub down: Rate,
    /// Hosts that can be reached every other few minutes
    pub flapping: Rate,
    /// Replies that are lost, with their connection
    pub lost: Rate,
    /// How often a third of the hosts is cut off for a while
    pub partitions: u32,
    /// How often the master dies, right after it has stored something, and is started again
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
