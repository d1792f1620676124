//! What goes wrong in a simulated fleet, and how often.

use clap::Args;

use crate::simulate::Rate;

/// Shares are of the hosts, unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Faults {
    /// Hosts on which the release fails, and is taken back
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    pub bad: Rate,
    /// Hosts whose own fault it is: no space, a build that fails
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    pub broken: Rate,
    /// Hosts that fail without saying whose fault it is
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    pub unclear: Rate,
    /// Hosts that begin, and never end
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    pub hung: Rate,
    /// Hosts that are cut off by the release, and are not heard of any more
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    pub gone: Rate,
    /// Hosts that are not well before it begins
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    pub unwell: Rate,
    /// Hosts that take twenty times as long
    #[arg(long, value_name = "SHARE", default_value = "1%", help_heading = "Faults")]
    pub slow: Rate,
    /// Hosts that cannot be reached at all
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    pub down: Rate,
    /// Hosts that can be reached every other few minutes
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    pub flapping: Rate,
    /// Replies that are lost, with their connection
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    pub lost: Rate,
    /// How often a third of the hosts is cut off for a while
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Faults")]
    pub partitions: u32,
    /// How often the master dies, right after it has stored something, and is started again
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Faults")]
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
