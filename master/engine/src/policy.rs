//! How a rollout is to be carried out.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use protocol::{OrderOptions, Period};
use serde::{Deserialize, Serialize};

use crate::Amount;

/// What was asked for besides hosts and release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How many hosts go first, in a batch of their own; 0 for none.
    pub canary: u32,
    /// How many hosts a batch has; all that are left, if it is not said.
    pub batch: Option<Amount>,
    /// How many hosts are under way at once, at most.
    pub parallel: NonZeroU32,
    /// How long is waited between two batches.
    pub delay: Period,
    /// So many failures one after the other trip the breaker.
    pub max_consecutive_failures: NonZeroU32,
    /// So many failures in all trip it: a number, or a share of the hosts that are changed.
    pub max_failures: Option<Amount>,
    /// What is done then.
    pub on_trip: OnTrip,
    /// Where somebody has to agree.
    pub approve: Approve,
    /// The label over whose values each batch is spread.
    pub spread: Option<String>,
    /// Whether hosts that are not well are updated all the same.
    pub allow_unhealthy: bool,
    /// What each host is told with its order.
    pub options: OrderOptions,
    /// How long each state may last.
    pub deadlines: Deadlines,
}

/// What is done when the breaker trips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTrip {
    /// Wait for an answer
    Pause,
    /// Take every host back that was updated
    Rollback,
    /// Leave all hosts as they are
    Abort,
}

/// Where somebody has to agree before it goes on.
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

/// How long a state may last until it is a failure. The client of a worker gives up much earlier on
/// a host that is silent; these hold whatever it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// A host that is looked at.
    pub look: Period,
    /// A host that is staged.
    pub stage: Period,
    /// A phase of a host that is updated or taken back.
    pub phase: Period,
    /// The whole of a host's order, whatever the host says meanwhile. Plans of before have the
    /// usual one, and keep their digest.
    #[serde(default = "usual_order", skip_serializing_if = "is_usual_order")]
    pub order: Period,
    /// A question to a person: whether to begin, or how to go on.
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
            look: Period(Duration::from_mins(2)),
            stage: Period(Duration::from_hours(2)),
            phase: Period(Duration::from_hours(2)),
            order: usual_order(),
            answer: Period(Duration::from_hours(7 * 24)),
        }
    }
}

/// Longer than any build and watch that a host is likely to be configured with.
const fn usual_order() -> Period {
    Period(Duration::from_hours(6))
}

fn is_usual_order(order: &Period) -> bool {
    *order == usual_order()
}

impl fmt::Display for OnTrip {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Pause => "pause",
            Self::Rollback => "rollback",
            Self::Abort => "abort",
        })
    }
}
