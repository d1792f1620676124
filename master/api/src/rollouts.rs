//! `swarm rollout show`, and what is told to a question that was answered: where a rollout stands.

use control::rollout::RolloutStatus;
use engine::{Batch, describe_host, describe_rollout};
use protocol::{Digest, HostName};
use serde::Serialize;
use store::{Driver, Rollout};
use time::OffsetDateTime;

/// A rollout, as the store has it, and where each of its hosts stands.
#[derive(Debug, Serialize)]
pub struct RolloutDocument<'a> {
    #[serde(flatten)]
    rollout: &'a Rollout,
    waits_for: String,
    /// The batch that is under way.
    batch: usize,
    batches: &'a [Batch],
    /// The process that drives it, if one does.
    driver: Option<&'a Driver>,
    hosts: Vec<HostDocument<'a>>,
}

/// Where a host stands in it.
#[derive(Debug, Serialize)]
struct HostDocument<'a> {
    host: &'a HostName,
    state: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    from: Option<Digest>,
    to: Option<Digest>,
    why: Option<String>,
}

impl<'a> RolloutDocument<'a> {
    /// How a rollout stands.
    pub fn of(status: &'a RolloutStatus) -> Self {
        let RolloutStatus { rollout, state, driver } = status;
        let hosts = state.hosts().map(|(planned, host)| HostDocument {
            host: &planned.host,
            state: host.name(),
            since: host.since,
            from: planned.from,
            to: planned.to,
            why: describe_host(state, &planned.host),
        });
        Self {
            rollout,
            waits_for: describe_rollout(state),
            batch: state.activity().1,
            batches: &state.plan().batches,
            driver: driver.as_ref(),
            hosts: hosts.collect(),
        }
    }
}
