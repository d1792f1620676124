//! What a rollout tells: the one form in which the history, every screen, every hook and `--json` get it.
//!
//! The names and the fields are stored, and are on the wire: a change of them is a change of a promise.

use protocol::{Digest, HostName, HostOutcome, Kind, Phase};
use serde::{Deserialize, Serialize};

use crate::{Batch, Event, Gate, HostResult, OnTrip, Pause, Plan, RolloutResult, Trip};

/// One thing that operators are told of a rollout.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The host that it is about; none if it is about the rollout as a whole.
    pub host: Option<HostName>,
    /// The release that the rollout brings, or the one that the host runs now.
    pub release: Option<Digest>,
    pub body: NoticeBody,
}

/// What there is to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum NoticeBody {
    #[serde(rename = "rollout.planned")]
    Planned { plan: Digest, hosts: usize, changes: u32 },
    #[serde(rename = "rollout.approved")]
    Approved {
        gate: Gate,
        plan: Digest,
        /// Why, in the operator's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<String>,
    },
    #[serde(rename = "rollout.started")]
    Started {
        kind: Kind,
        selection: String,
        hosts: usize,
        changes: u32,
        batches: Vec<Batch>,
        plan: Digest,
    },
    /// Batch `batch` of `of`, from 1, has begun.
    #[serde(rename = "rollout.batch_started")]
    BatchStarted {
        batch: usize,
        of: usize,
        hosts: u32,
        canary: bool,
        /// It has begun before, and nothing was proven there: one more host takes its turn in it.
        #[serde(default, skip_serializing_if = "crate::plan::is_false")]
        extended: bool,
    },
    #[serde(rename = "rollout.batch_completed")]
    BatchCompleted { batch: usize, of: usize },
    /// The breaker tripped; these are the hosts on which the release failed.
    #[serde(rename = "rollout.circuit_breaker_tripped")]
    Tripped { why: String, trip: Trip, hosts: Vec<HostName>, then: OnTrip },
    #[serde(rename = "rollout.paused")]
    Paused(Question),
    /// Another driver goes on with it, or an operator let it go on: `continued` says that the failures
    /// so far do not count any more.
    #[serde(rename = "rollout.resumed")]
    Resumed {
        continued: bool,
        /// Why, in the operator's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<String>,
    },
    #[serde(rename = "rollout.rolling_back")]
    RollingBack,
    /// Every host has its result.
    #[serde(rename = "rollout.completed")]
    Completed { result: RolloutResult },
    /// The rollout was ended before that.
    #[serde(rename = "rollout.aborted")]
    Aborted { why: String },
    /// Every host that it had updated was taken back.
    #[serde(rename = "rollout.rolled_back")]
    RolledBack,
    #[serde(rename = "host.phase")]
    HostPhase(HostStep),
    /// Bytes went to the host. It is shown, and never stored.
    #[serde(rename = "host.progress")]
    HostProgress { bytes: u64, total: u64 },
    #[serde(rename = "host.updated")]
    HostUpdated(Box<HostResult>),
    #[serde(rename = "host.failed")]
    HostFailed(Box<HostResult>),
    /// What became of the host's order is not known.
    #[serde(rename = "host.unclear")]
    HostUnclear(Box<HostResult>),
    #[serde(rename = "host.rolled_back")]
    HostRolledBack(Box<HostResult>),
    /// The release failed on the host: it is not sent there any more, or nowhere, until an operator
    /// forgives it.
    #[serde(rename = "release.quarantined")]
    ReleaseQuarantined {
        why: String,
        #[serde(default)]
        holds: QuarantineScope,
        /// All hosts of the rollout on which it has failed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<HostName>,
    },
    /// The release may go to all hosts again.
    #[serde(rename = "release.forgiven")]
    ReleaseForgiven { because: String },
}

/// Where a quarantine holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuarantineScope {
    /// On all hosts.
    #[default]
    Fleet,
    /// On the host where the release failed.
    Host,
}

/// What an operator is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "waits_for", rename_all = "snake_case")]
pub enum Question {
    Approval {
        gate: Gate,
        plan: Digest,
    },
    /// How the rollout goes on.
    Answer {
        why: String,
    },
}

/// Where a host's order stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HostStep {
    Phase { phase: Phase, detail: Option<String> },
    UpdatingSelf { phase: UpdatingSelf },
}

/// The release is good, and the host's updater is being replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdatingSelf {
    #[serde(rename = "updating_self")]
    UpdatingSelf,
}

impl Notice {
    /// That a plan was written down as a rollout.
    pub fn planned(plan: &Plan) -> Self {
        let (hosts, changes) = (plan.hosts.len(), plan.changed_hosts());
        Self::of(plan, NoticeBody::Planned { plan: plan.digest(), hosts, changes })
    }

    /// That bytes went to a host.
    pub fn progress(plan: &Plan, host: &HostName, bytes: u64, total: u64) -> Self {
        Self::of_host(plan, host, NoticeBody::HostProgress { bytes, total })
    }

    pub(super) fn awaiting_approval(plan: &Plan, gate: Gate) -> Self {
        let question = Question::Approval { gate, plan: plan.digest() };
        Self::of(plan, NoticeBody::Paused(question))
    }

    pub(super) fn approved(plan: &Plan, gate: Gate, because: Option<&str>) -> Self {
        let because = because.map(str::to_owned);
        Self::of(plan, NoticeBody::Approved { gate, plan: plan.digest(), because })
    }

    pub(super) fn started(plan: &Plan) -> Self {
        let body = NoticeBody::Started {
            kind: plan.kind,
            selection: plan.selection.clone(),
            hosts: plan.hosts.len(),
            changes: plan.changed_hosts(),
            batches: plan.batches.clone(),
            plan: plan.digest(),
        };
        Self::of(plan, body)
    }

    /// `number` counts from 1.
    pub(super) fn batch_started(plan: &Plan, number: usize, batch: Batch) -> Self {
        let Batch { hosts, canary } = batch;
        let of = plan.batches.len();
        let extended = false;
        Self::of(plan, NoticeBody::BatchStarted { batch: number, of, hosts, canary, extended })
    }

    /// `number` counts from 1.
    pub(super) fn batch_extended(plan: &Plan, number: usize) -> Self {
        let canary = plan.batches.get(number - 1).is_some_and(|batch| batch.canary);
        let (of, hosts, extended) = (plan.batches.len(), 1, true);
        Self::of(plan, NoticeBody::BatchStarted { batch: number, of, hosts, canary, extended })
    }

    pub(super) fn batch_completed(plan: &Plan, number: usize) -> Self {
        Self::of(plan, NoticeBody::BatchCompleted { batch: number, of: plan.batches.len() })
    }

    pub(super) fn tripped(plan: &Plan, trip: Trip, hosts: Vec<HostName>) -> Self {
        let (why, then) = (trip.to_string(), plan.policy.on_trip);
        Self::of(plan, NoticeBody::Tripped { why, trip, hosts, then })
    }

    pub(super) fn paused(plan: &Plan, pause: &Pause) -> Self {
        let question = Question::Answer { why: pause.to_string() };
        Self::of(plan, NoticeBody::Paused(question))
    }

    /// Where a host's order stands, by the event that says it; nothing for any other event.
    pub(super) fn of_step(plan: &Plan, event: &Event) -> Option<Self> {
        let (host, step) = match event {
            Event::PhaseEntered { host, phase, detail } if *phase != Phase::Idle => {
                (host, HostStep::Phase { phase: *phase, detail: detail.clone() })
            }
            Event::UpdatingSelf { host } => {
                (host, HostStep::UpdatingSelf { phase: UpdatingSelf::UpdatingSelf })
            }
            _ => return None,
        };
        Some(Self::of_host(plan, host, NoticeBody::HostPhase(step)))
    }

    /// What a host came to; nothing for one that was left out.
    pub(super) fn host_finished(result: &HostResult) -> Option<Self> {
        let boxed = || Box::new(result.clone());
        let body = match result.outcome {
            HostOutcome::Updated | HostOutcome::AlreadyCurrent => NoticeBody::HostUpdated(boxed()),
            HostOutcome::RolledBack => NoticeBody::HostRolledBack(boxed()),
            HostOutcome::Unclear => NoticeBody::HostUnclear(boxed()),
            HostOutcome::Failed | HostOutcome::Unreachable | HostOutcome::Stranded => {
                NoticeBody::HostFailed(boxed())
            }
            HostOutcome::Skipped => return None,
        };
        Some(Self { host: Some(result.host.clone()), release: result.to, body })
    }

    pub(super) fn quarantined(
        release: Digest,
        host: HostName,
        why: String,
        holds: QuarantineScope,
        hosts: Vec<HostName>,
    ) -> Self {
        let body = NoticeBody::ReleaseQuarantined { why, holds, hosts };
        Self { host: Some(host), release: Some(release), body }
    }

    pub(super) fn forgiven(release: Digest, host: &HostName) -> Self {
        let because = format!("it was proven on {host} in the same rollout");
        let body = NoticeBody::ReleaseForgiven { because };
        Self { host: Some(host.clone()), release: Some(release), body }
    }

    /// What a host came to, if this says it.
    pub const fn result(&self) -> Option<&HostResult> {
        match &self.body {
            NoticeBody::HostUpdated(result)
            | NoticeBody::HostFailed(result)
            | NoticeBody::HostUnclear(result)
            | NoticeBody::HostRolledBack(result) => Some(result),
            _ => None,
        }
    }

    /// About the rollout as a whole.
    pub(super) const fn of(plan: &Plan, body: NoticeBody) -> Self {
        Self { host: None, release: plan.target, body }
    }

    fn of_host(plan: &Plan, host: &HostName, body: NoticeBody) -> Self {
        Self { host: Some(host.clone()), ..Self::of(plan, body) }
    }
}
