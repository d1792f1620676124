//! `swarm rollout show`, and what is told to a question that was answered: where a rollout stands.

use control::rollout::{RolloutStatus, Summary};
use engine::{Batch, HostResult, RolloutResult, describe_host, describe_rollout};
use protocol::{Digest, HostName};
use serde::Serialize;
use store::{Driver, Rollout, RolloutId};
use time::OffsetDateTime;
use uuid::Uuid;

/// A rollout in a list. Its name stands under `rollout`, as in every other document, and under `id`.
#[derive(Debug, Serialize)]
pub struct ListedRollout<'a> {
    rollout: RolloutId,
    #[serde(flatten)]
    record: &'a Rollout,
    /// What it waits for, while it is not over.
    waits_for: Option<String>,
    /// The process that drives it, if one does.
    driver: Option<&'a Driver>,
}

impl<'a> ListedRollout<'a> {
    /// `status` is that of one that is not over.
    pub fn of(record: &'a Rollout, status: Option<&'a RolloutStatus>) -> Self {
        Self {
            rollout: record.id,
            record,
            waits_for: status.map(|status| describe_rollout(&status.state)),
            driver: status.and_then(|status| status.driver.as_ref()),
        }
    }
}

/// How a rollout stands when it rests: the last line of its stream. It has the shape of every other event;
/// what is in its data stands beside them too.
#[derive(Debug, Serialize)]
pub struct SummaryDocument<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    /// Who drove it.
    who: &'a str,
    rollout: RolloutId,
    /// The release that was asked for; absent for "what each ran before".
    release: Option<Digest>,
    #[serde(flatten)]
    came_to: SummaryData<'a>,
    data: SummaryData<'a>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct SummaryData<'a> {
    result: RolloutResult,
    /// The same in words: what it waits for, or why it ended.
    detail: &'a str,
    plan: Digest,
    /// A result for each host, by name.
    hosts: &'a [HostResult],
}

impl<'a> SummaryDocument<'a> {
    /// What a rollout came to, as it is told at `time`.
    pub fn of(summary: &'a Summary, time: OffsetDateTime) -> Self {
        let Summary { rollout, who, result, detail, plan, release, hosts } = summary;
        let data = SummaryData { result: *result, detail, plan: *plan, hosts };
        Self {
            kind: "rollout.summary",
            id: Uuid::now_v7(),
            time,
            who,
            rollout: *rollout,
            release: *release,
            came_to: data,
            data,
        }
    }
}

/// A rollout, as the store has it, and where each of its hosts stands.
#[derive(Debug, Serialize)]
pub struct RolloutDocument<'a> {
    #[serde(rename = "rollout")]
    id: RolloutId,
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
            id: rollout.id,
            rollout,
            waits_for: describe_rollout(state),
            batch: state.activity().1,
            batches: &state.plan().batches,
            driver: driver.as_ref(),
            hosts: hosts.collect(),
        }
    }
}
