//! What a rollout is going to do: the engine's input, and what is approved.

use std::time::Duration;

use protocol::{AppName, Digest, HostName, Kind, Migrates, Period};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use time::OffsetDateTime;

use crate::{Observation, Policy, ResultCode};

/// The longest watch that a host is believed.
const LONGEST_WATCH: Duration = Duration::from_hours(7 * 24);

/// A plan. It is never changed once it is made: its digest is what is approved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of this format.
    pub format: u32,
    pub kind: Kind,
    pub app: AppName,
    /// The release that all hosts are to run; none for what each ran before.
    pub target: Option<Digest>,
    /// Whether the master has the release's archive, so that it can be staged ahead.
    #[serde(rename = "archive")]
    pub has_archive: bool,
    /// The release that the updaters are to run from afterwards.
    #[serde(rename = "own")]
    pub updater: Option<Digest>,
    /// What the release does to stored data, for operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migrates>,
    /// The selection of hosts, as the operator wrote it.
    pub selection: String,
    /// Why it is done, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether the operator named each host: then one that is left out is a failure.
    #[serde(rename = "named")]
    pub by_name: bool,
    pub policy: Policy,
    /// The batches, in their order; none is empty.
    pub batches: Vec<Batch>,
    /// The hosts that are changed, batch by batch in the order in which they are started; after
    /// them those that are not.
    pub hosts: Vec<PlannedHost>,
    /// When the hosts were asked what they run.
    #[serde(with = "time::serde::rfc3339")]
    pub made_at: OffsetDateTime,
}

/// Hosts that are all updated before the next batch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    pub hosts: u32,
    pub canary: bool,
}

/// What is planned for a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedHost {
    pub host: HostName,
    pub action: Action,
    /// What it runs now, where that could be asked.
    pub from: Option<Digest>,
    /// What it is to run.
    pub to: Option<Digest>,
    /// Archive bytes that go to it.
    pub bytes: u64,
    /// Whether it runs the release from a damaged copy, which the archive mends.
    #[serde(default, skip_serializing_if = "is_false")]
    pub mends: bool,
    /// Why nothing is done, if nothing is: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ResultCode>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Bytes that it wants, and has, where it has too few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<u64>,
    /// What the host's updater is replaced by afterwards, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updater: Option<Digest>,
    /// Its value of the label over which the batches are spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// How it was when the plan was made; absent if it was not asked.
    #[serde(default, rename = "seen", skip_serializing_if = "Option::is_none")]
    pub observation: Option<Observation>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

impl Plan {
    /// How much longer a host of this place watches, by its own configuration, than the policy asks for:
    /// the master waits for so much longer, but not for ever because a host says so.
    pub fn longer_watch(&self, place: usize) -> Duration {
        let own = self.hosts.get(place).and_then(PlannedHost::own_watch);
        let own = own.map_or(Duration::ZERO, |own| own.0.min(LONGEST_WATCH));
        let asked = self.policy.options.watch.map_or(Duration::ZERO, |watch| watch.0);
        own.saturating_sub(asked)
    }

    /// How long the order of a host of this place may take.
    pub fn order_limit(&self, place: usize) -> Period {
        Period(self.policy.deadlines.order.0.saturating_add(self.longer_watch(place)))
    }
}

impl PlannedHost {
    /// How long the host watches the release, where that is known: what the policy asks for, or what it is
    /// configured with, if that is longer.
    pub fn watch(&self, policy: &Policy) -> Option<Duration> {
        let own = self.own_watch().map(|own| own.0.min(LONGEST_WATCH));
        policy.options.watch.map(|watch| watch.0).max(own)
    }

    fn own_watch(&self) -> Option<Period> {
        match self.observation.as_ref()? {
            Observation::Reported(report) => report.app.as_ref()?.watch,
            Observation::Refused { .. } | Observation::Unreachable { .. } => None,
        }
    }
}

/// What is done on a host.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Action {
    /// It is ordered to run the release.
    Update,
    /// It is ordered to go back.
    Rollback,
    /// It runs the release; only its updater is replaced.
    UpdateSelf,
    /// It runs the release already, and is well.
    AlreadyCurrent,
    /// It would refuse the order.
    Refuse,
    /// It cannot be asked.
    Unreachable,
    /// It is left out.
    Skip,
}

impl Batch {
    /// Divides so many hosts: the canary first, then batches of the policy's size, of which only the
    /// last may be smaller. None is empty.
    pub fn split(hosts: u32, policy: &Policy) -> Vec<Self> {
        let canary = policy.canary.min(hosts);
        let size = policy.batch.map_or(hosts, |batch| batch.of(hosts));
        let mut batches = Vec::new();
        batches.extend((canary > 0).then_some(Self { hosts: canary, canary: true }));
        let mut left = hosts - canary;
        while left > 0 {
            let hosts = size.min(left);
            batches.push(Self { hosts, canary: false });
            left -= hosts;
        }
        batches
    }
}

impl Action {
    /// Whether the host answered. Such hosts are locked by the rollout until it is over, so that what
    /// the plan says of them stays true.
    pub const fn host_answered(self) -> bool {
        !matches!(self, Self::Unreachable | Self::Skip)
    }

    pub const fn changes_host(self) -> bool {
        matches!(self, Self::Update | Self::Rollback | Self::UpdateSelf)
    }
}

impl Plan {
    /// What an approval names: over the hosts, what each runs now, the target, the batches and the
    /// policy. When the plan was made, and what else was observed, is not in it.
    pub fn digest(&self) -> Digest {
        let hosts: Vec<_> = self
            .hosts
            .iter()
            .map(|host| (&host.host, host.action, host.from, host.to, host.updater))
            .collect();
        let digested = (
            (self.format, self.kind, &self.app, self.target, self.updater),
            (&self.policy, &self.batches, hosts),
        );
        let text = serde_json::to_vec(&digested).unwrap_or_default();
        Digest::from_bytes(sha2::Sha256::digest(text).into())
    }

    /// Whether both plans are made for the same request, whatever the hosts ran when they were made.
    pub fn is_same_request(&self, other: &Self) -> bool {
        let request = |plan: &Self| {
            (
                plan.kind,
                plan.app.clone(),
                plan.target,
                plan.updater,
                plan.selection.clone(),
                plan.by_name,
            )
        };
        request(self) == request(other) && self.policy == other.policy
    }

    /// How many hosts are changed. They are the first ones.
    pub fn changed_hosts(&self) -> u32 {
        self.batches.iter().map(|batch| batch.hosts).sum()
    }

    /// How many bytes of archives are sent in all.
    pub fn bytes(&self) -> u64 {
        self.hosts.iter().map(|host| host.bytes).sum()
    }

    /// How many failures in all trip the breaker, if there is such a limit.
    pub fn total_failure_limit(&self) -> Option<u32> {
        self.policy.max_failures.map(|limit| limit.of(self.changed_hosts()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_keeps_the_form_in_which_it_is_stored() {
        let digest = Digest::from_bytes([1; 32]);
        let policy = json!({
            "canary": 1, "batch": "10%", "parallel": 2, "delay": "1m",
            "max_consecutive_failures": 2, "max_failures": null, "on_trip": "pause",
            "approve": "never", "spread": null, "allow_unhealthy": false,
            "options": serde_json::to_value(protocol::OrderOptions::default()).unwrap(),
            "deadlines": {"look": "2m", "stage": "2h", "phase": "2h", "answer": "7d"},
        });
        let host = json!({
            "host": "web-1", "action": "update", "from": null, "to": digest, "bytes": 5,
            "seen": {"unreachable": {"code": "x", "detail": "y"}},
        });
        let stored = json!({
            "format": 1, "kind": "update", "app": "agent", "target": digest, "archive": true,
            "own": digest, "selection": "--all", "named": false, "policy": policy,
            "batches": [{"hosts": 1, "canary": true}], "hosts": [host],
            "made_at": "2026-01-02T03:04:05Z",
        });
        let plan: Plan = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(plan).unwrap(), stored);
    }
}
