//! How a rollout is to be carried out.

use std::num::NonZeroU32;
use std::time::Duration;

use protocol::{OrderOptions, Period};
use serde::{Deserialize, Serialize};

use crate::Amount;

/// What the operator chose besides hosts and release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How many hosts go first, in a batch of their own; 0 for none.
    pub canary: u32,
    /// How many hosts a batch has; none for all that are left.
    pub batch: Option<Amount>,
    /// How many hosts are under way at once, at most.
    pub parallel: NonZeroU32,
    /// The pause between two batches.
    pub delay: Period,
    /// How many failures one after the other trip the breaker.
    pub max_consecutive_failures: NonZeroU32,
    /// How many failures in all trip it, if any number does: a share is one of the changed hosts.
    pub max_failures: Option<Amount>,
    pub on_trip: OnTrip,
    pub approve: Approve,
    /// The label over whose values each batch is spread.
    pub spread: Option<String>,
    /// Whether hosts that are not well are updated all the same.
    pub allow_unhealthy: bool,
    /// What goes to each host with its order.
    pub options: OrderOptions,
    pub deadlines: Deadlines,
}

/// What to do when the breaker trips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum OnTrip {
    /// Wait for an answer
    Pause,
    /// Take every host back that was updated
    Rollback,
    /// Leave all hosts as they are
    Abort,
}

/// Where an operator has to approve before the rollout goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approve {
    /// Nowhere
    Never,
    /// Before the first host
    Start,
    /// After the canary
    Canary,
    /// Before each batch
    Batch,
}

/// How long a state may last until it is a failure. The updater client gives up a silent host much
/// earlier; these hold whatever it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// The observation of a host.
    #[serde(rename = "look")]
    pub observe: Period,
    /// No host is staged before its turn any more; stored plans have it, and their digest is over it.
    pub stage: Period,
    /// A phase of a host that is updated or taken back.
    pub phase: Period,
    /// The whole of a host's order, whatever the host says meanwhile. It is left out where it is the
    /// default, so that plans made before it existed keep their digest.
    #[serde(default = "default_order", skip_serializing_if = "is_default_order")]
    pub order: Period,
    /// A question to an operator: whether to begin, or how to go on.
    pub answer: Period,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            canary: 0,
            batch: None,
            parallel: NonZeroU32::MIN.saturating_add(15),
            delay: Period(Duration::ZERO),
            max_consecutive_failures: NonZeroU32::MIN.saturating_add(1),
            max_failures: None,
            on_trip: OnTrip::Pause,
            approve: Approve::Never,
            spread: None,
            allow_unhealthy: false,
            options: OrderOptions::default(),
            deadlines: Deadlines::default(),
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            observe: Period(Duration::from_mins(2)),
            stage: Period(Duration::from_hours(2)),
            phase: Period(Duration::from_hours(2)),
            order: default_order(),
            answer: Period(Duration::from_hours(7 * 24)),
        }
    }
}

/// Longer than any build and watch that a host is likely to be configured with.
const fn default_order() -> Period {
    Period(Duration::from_hours(6))
}

fn is_default_order(order: &Period) -> bool {
    *order == default_order()
}
