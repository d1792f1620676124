//! What goes wrong in a simulated fleet, as the command line says it.

use clap::Args;
use engine::simulate::{Faults, Rate};

/// Shares are of the hosts, unless they say otherwise.
#[derive(Debug, Args)]
pub(super) struct FaultArgs {
    /// Share of hosts on which the release fails and is taken back
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    bad: Rate,
    /// Share of hosts with a fault of their own: no space, a failing build
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    broken: Rate,
    /// Share of hosts that fail for an unknown reason
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    unclear: Rate,
    /// Share of hosts that begin and never end
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    hung: Rate,
    /// Share of hosts that the release cuts off for good
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    gone: Rate,
    /// Share of hosts that are unhealthy before the rollout
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    unwell: Rate,
    /// Share of hosts that take twenty times as long
    #[arg(long, value_name = "SHARE", default_value = "1%", help_heading = "Faults")]
    slow: Rate,
    /// Share of hosts that cannot be reached at all
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    down: Rate,
    /// Share of hosts that come and go every few minutes
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    flapping: Rate,
    /// Share of replies that are lost, with their connection
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Faults")]
    lost: Rate,
    /// Number of times that a third of the hosts is cut off for a while
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Faults")]
    partitions: u32,
    /// Number of times that the master dies after storing something, and is restarted
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
