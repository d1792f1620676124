//! What goes wrong in a simulated fleet, as the command line says it.

use clap::Args;
use engine::simulate::{Faults, Rate};

/// Shares are of the hosts, unless they say otherwise.
#[derive(Debug, Args)]
pub(super) struct FaultArgs {
    /// Hosts on which the release fails, and is taken back
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    bad: Rate,
    /// Hosts whose own fault it is: no space, a build that fails
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    broken: Rate,
    /// Hosts that fail without saying whose fault it is
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    unclear: Rate,
    /// Hosts that begin, and never end
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    hung: Rate,
    /// Hosts that are cut off by the release, and are not heard of any more
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    gone: Rate,
    /// Hosts that are not well before it begins
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    unwell: Rate,
    /// Hosts that take twenty times as long
    #[arg(long, value_name = "SHARE", default_value = "1%", help_heading = "Faults")]
    slow: Rate,
    /// Hosts that cannot be reached at all
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    down: Rate,
    /// Hosts that can be reached every other few minutes
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    flapping: Rate,
    /// Replies that are lost, with their connection
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    lost: Rate,
    /// How often a third of the hosts is cut off for a while
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Faults")]
    partitions: u32,
    /// How often the master dies, right after it has stored something, and is started again
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Faults")]
    deaths: u32,
}

impl FaultArgs {
    /// The faults that these words ask for.
    pub(super) const fn faults(&self) -> Faults {
        let Self {
            bad,
            broken,
            unclear,
            hung,
            gone,
            unwell,
            slow,
            down,
            flapping,
            lost,
            partitions,
            deaths,
        } = *self;
        Faults {
            bad,
            broken,
            unclear,
            hung,
            gone,
            unwell,
            slow,
            down,
            flapping,
            lost,
            partitions,
            deaths,
        }
    }
}
