//! How an update or a rollback is to be carried out, as the command line says it.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use control::rollout::{Goal, RolloutRequest};
use control::select::Selection;
use engine::{Amount, Approve, Deadlines, OnTrip, Policy};
use protocol::{AppName, OrderOptions, Period};

use crate::cli::choice::Choice;
use crate::cli::count::whole;
use crate::cli::period::more_than_nothing;
use crate::cli::reason::reason;

/// The policy of a rollout.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct PolicyArgs {
    /// The app on the hosts
    #[arg(long, value_name = "APP", default_value = protocol::DEFAULT_APP)]
    pub app: AppName,
    /// How the hosts are gone through.
    #[command(flatten)]
    pub course: CourseArgs,
    /// Spread each batch over the values of this label
    #[arg(long, value_name = "LABEL", help_heading = "Policy")]
    pub spread: Option<String>,
    /// Minimum time to watch the release: 2m (a host's own setting may be longer)
    #[arg(long, value_name = "TIME", help_heading = "Policy")]
    pub watch: Option<Period>,
    /// Time limit for a host's whole order, without its watch
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = more_than_nothing,
        help_heading = "Policy")]
    pub order_timeout: Period,
    /// How long to wait for another rollout that has some of the hosts: 10m
    #[arg(long, value_name = "TIME", value_parser = more_than_nothing, help_heading = "Policy")]
    pub wait: Option<Period>,
    /// Install it again on hosts that have it already
    #[arg(long, help_heading = "Policy")]
    pub force: bool,
    /// Try a release again on hosts where it failed before
    #[arg(long, help_heading = "Policy")]
    pub retry_quarantined: bool,
    /// Undo the release on a host that the master cannot reach again afterwards
    #[arg(long, help_heading = "Policy")]
    pub confirm: bool,
    /// Go back even over a migration that cannot be undone; the data stays as it is
    #[arg(long, help_heading = "Policy")]
    pub irreversible: bool,
    /// Show what would happen, and change nothing
    #[arg(long, help_heading = "Policy")]
    pub dry_run: bool,
    /// Why it is done: kept with the rollout, and shown in the history
    #[arg(long, short, value_name = "TEXT", value_parser = reason, help_heading = "Policy")]
    pub message: Option<String>,
}

/// How the hosts of a rollout are gone through, real ones or made up.
#[derive(Debug, Args)]
pub struct CourseArgs {
    /// Number of hosts to update first; the rollout stops if the release fails on one
    #[arg(long, value_name = "N", default_value = "0", value_parser = whole, help_heading = "Policy")]
    canary: u32,
    /// Size of the batches after that: 5 or 10% [default: all at once]
    #[arg(long, value_name = "N|N%", help_heading = "Policy")]
    batch: Option<Amount>,
    /// Maximum number of hosts in progress at once
    #[arg(long, value_name = "N", default_value = "16", help_heading = "Policy")]
    parallel: NonZeroU32,
    /// Pause between two batches: 10m
    #[arg(long, value_name = "TIME", default_value = "0", help_heading = "Policy")]
    delay: Period,
    /// Number of failures in a row that stops the rollout (trips the breaker)
    #[arg(long, value_name = "N", default_value = "2", help_heading = "Policy")]
    max_consecutive_failures: NonZeroU32,
    /// Number of failures in all that stops it: 5, or 10% of the hosts that change
    #[arg(long, value_name = "N|N%", help_heading = "Policy")]
    max_failures: Option<Amount>,
    /// What to do when the breaker trips
    #[arg(long, value_name = "WHAT", value_enum, default_value = "pause", help_heading = "Policy")]
    on_trip: Choice<OnTrip>,
    /// What an operator must approve first
    #[arg(
        long,
        value_name = "WHERE",
        value_enum,
        default_value = "never",
        help_heading = "Policy"
    )]
    approve: Choice<Approve>,
    /// Proceed although hosts are unhealthy
    #[arg(long, help_heading = "Policy")]
    allow_unhealthy: bool,
}

impl PolicyArgs {
    /// What is wished for in these words.
    pub(super) fn request(&self, goal: Goal, selection: &Selection) -> RolloutRequest {
        RolloutRequest {
            app: self.app.clone(),
            goal,
            updater: None,
            migration: None,
            policy: self.policy(),
            selection: selection.describe(),
            message: self.message.clone(),
            by_name: selection.is_by_name(),
            each: false,
            quarantined: BTreeSet::new(),
        }
    }

    fn policy(&self) -> Policy {
        let deadlines = Deadlines::default();
        let watch = self.watch.map_or(Duration::ZERO, |watch| watch.0);
        Policy {
            spread: self.spread.clone(),
            options: OrderOptions {
                force: self.force,
                retry_quarantined: self.retry_quarantined,
                confirm: self.confirm,
                irreversible: self.irreversible,
                watch: self.watch,
            },
            // A watch is a phase, however long it is.
            deadlines: Deadlines {
                phase: Period(deadlines.phase.0 + watch),
                order: Period(self.order_timeout.0 + watch),
                ..deadlines
            },
            ..self.course.policy()
        }
    }
}

impl CourseArgs {
    /// A policy that says no more than this.
    pub(super) fn policy(&self) -> Policy {
        Policy {
            canary: self.canary,
            batch: self.batch,
            parallel: self.parallel,
            delay: self.delay,
            max_consecutive_failures: self.max_consecutive_failures,
            max_failures: self.max_failures,
            on_trip: self.on_trip.0,
            approve: self.approve.0,
            allow_unhealthy: self.allow_unhealthy,
            ..Policy::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(flatten)]
        policy: PolicyArgs,
    }

    fn policy(words: &str) -> Policy {
        let words = std::iter::once("swarm").chain(words.split_whitespace());
        Words::try_parse_from(words).unwrap().policy.policy()
    }

    #[test]
    fn what_nobody_says_is_the_default() {
        assert_eq!(policy(""), Policy::default());
    }

    #[test]
    fn lesson_41_a_delay_of_zero_is_none() {
        assert_eq!(policy("--delay 0").delay.0, Duration::ZERO);
        assert_eq!(policy("--delay 90s").delay.0, Duration::from_secs(90));
        assert!(Words::try_parse_from(["swarm", "--delay", "5"]).is_err(), "five what?");
        assert!(Words::try_parse_from(["swarm", "--order-timeout", "0"]).is_err());
    }

    #[test]
    fn a_long_watch_is_no_silence() {
        let policy = policy("--watch 3h");
        assert!(policy.deadlines.phase.0 > Duration::from_hours(3));
    }
}
