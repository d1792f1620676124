//! What a rollout is going to do: the engine's input, and what is approved.

use protocol::{AppName, Digest, HostName, Kind, Migrates};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use time::OffsetDateTime;

use crate::{Observation, Policy};

/// A plan. It is never changed once it is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of this format.
    pub format: u32,
    /// `update` or `rollback`.
    pub kind: Kind,
    pub app: AppName,
    /// The release that all hosts are to run; none for "what each ran before".
    pub target: Option<Digest>,
    /// Whether the master has the release's archive, so that hosts can be given it ahead.
    pub archive: bool,
    /// The release that the updaters are to run from afterwards.
    pub own: Option<Digest>,
    /// What the release does to stored data, for whoever reads the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migrates>,
    /// Which hosts were asked for, as it was written.
    pub selection: String,
    /// Whether each host was asked for by its name: then one that is left out is a failure.
    pub named: bool,
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

/// Hosts that go before the next ones do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// How many hosts it has.
    pub hosts: u32,
    /// Whether it is the canary.
    pub canary: bool,
}

/// What is going to become of a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedHost {
    pub host: HostName,
    /// What is done there.
    pub action: Action,
    /// What it runs now, where it could be asked.
    pub from: Option<Digest>,
    /// What it is to run.
    pub to: Option<Digest>,
    /// Archive bytes that go to it.
    pub bytes: u64,
    /// Why nothing is done, if nothing is: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What the host's updater is replaced by afterwards, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updater: Option<Digest>,
    /// Its value of the label over which the batches are spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// How it was when it was asked; absent if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Observation>,
}

/// What is done on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// Divides so many hosts: the canary first and never more than asked, then batches of the
    /// size that was asked for, of which only the last may be smaller. None is empty.
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
    /// Whether the host answered, and so belongs to the rollout alone until that is over: what it runs
    /// now, or what is under way there, is what the plan says of it.
    pub const fn is_an_answer(self) -> bool {
        !matches!(self, Self::Unreachable | Self::Skip)
    }

    /// The name on the wire and on the screen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Rollback => "rollback",
            Self::UpdateSelf => "update_self",
            Self::AlreadyCurrent => "already_current",
            Self::Refuse => "refuse",
            Self::Unreachable => "unreachable",
            Self::Skip => "skip",
        }
    }

    /// Whether the host is touched.
    pub const fn is_a_change(self) -> bool {
        matches!(self, Self::Update | Self::Rollback | Self::UpdateSelf)
    }
}

impl Plan {
    /// What an approval names: over the hosts, what each runs now, the target, the batches and the
    /// policy. When the plan was made, and what else was seen, is not in it.
    pub fn digest(&self) -> Digest {
        let hosts: Vec<_> = self
            .hosts
            .iter()
            .map(|host| (&host.host, host.action, host.from, host.to, host.updater))
            .collect();
        let named = (
            (self.format, self.kind, &self.app, self.target, self.own),
            (&self.policy, &self.batches, hosts),
        );
        let text = serde_json::to_vec(&named).unwrap_or_default();
        Digest::from_bytes(sha2::Sha256::digest(text).into())
    }

    /// Whether both want the same of the same hosts, in the same way, whatever these run by now.
    pub fn wants_the_same(&self, other: &Self) -> bool {
        let request = |plan: &Self| {
            (plan.kind, plan.app.clone(), plan.target, plan.own, plan.selection.clone(), plan.named)
        };
        request(self) == request(other) && self.policy == other.policy
    }

    /// How many hosts are changed. They are the first ones.
    pub fn changes(&self) -> u32 {
        self.batches.iter().map(|batch| batch.hosts).sum()
    }

    /// How many bytes of archives are sent in all.
    pub fn bytes(&self) -> u64 {
        self.hosts.iter().map(|host| host.bytes).sum()
    }

    /// How many failures in all trip the breaker, if there is such a limit.
    pub fn failures_in_all(&self) -> Option<u32> {
        self.policy.max_failures.map(|limit| limit.of(self.changes()))
    }
}
