//! `swarm plan` and `--dry-run`: what a rollout would do.

use control::rollout::Estimate;
use engine::{Batch, Plan, PlannedHost, Policy, WorstCase, worst_case};
use protocol::{Digest, Migrates};
use serde::Serialize;

/// A plan, host by host, and what it comes to at best and at worst.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "rollout.plan")]
pub struct PlanDocument<'a> {
    /// Whether anything was changed: never, by a plan.
    changed: bool,
    plan: Digest,
    /// Whether it was kept, so that it can be carried out by its digest.
    kept: bool,
    release: Option<Digest>,
    /// Why it is done, in the operator's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    migration: Option<Migrates>,
    /// How many bytes would be sent.
    bytes: u64,
    batches: &'a [Batch],
    breaker: Breaker,
    worst_case: WorstCase,
    estimate: Option<&'a Estimate>,
    policy: &'a Policy,
    hosts: &'a [PlannedHost],
}

/// What would stop the rollout.
#[derive(Debug, Serialize)]
struct Breaker {
    scope: &'static str,
    consecutive: u32,
    total: Option<u32>,
}

impl<'a> PlanDocument<'a> {
    /// A plan that was made; `kept` says whether it can be carried out by its digest.
    pub fn of(plan: &'a Plan, kept: bool, estimate: Option<&'a Estimate>) -> Self {
        Self {
            changed: false,
            plan: plan.digest(),
            kept,
            release: plan.target,
            message: plan.message.as_deref(),
            migration: plan.migration,
            bytes: plan.bytes(),
            batches: &plan.batches,
            breaker: Breaker {
                scope: "rollout",
                consecutive: plan.policy.max_consecutive_failures.get(),
                total: plan.total_failure_limit(),
            },
            worst_case: worst_case(plan),
            estimate,
            policy: &plan.policy,
            hosts: &plan.hosts,
        }
    }
}
