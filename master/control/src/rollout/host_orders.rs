//! What one host goes through when it is ordered: sent, followed, confirmed, and its updater after
//! it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use common::{Backoff, random};
use engine::{HostOrder, HostResult, MasterCode, Plan, PlannedHost, ResultCode};
use protocol::{Code, Digest, HostName, HostOutcome, Kind, OrderOptions, Status};
use store::{RolloutId, SkipReason};
use tokio::time::{Instant, sleep};

use crate::rollout::{Archives, Goal, answered, left_out, self_update};
use crate::updater_client::{ClientError, OrderResult, ProgressCallback, UpdaterClient};

/// How often a host that still waits for its confirmation is confirmed again, and after how long.
const CONFIRMATIONS: u32 = 100;
const CONFIRM_AGAIN: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(1));

/// The orders of one rollout.
pub(super) struct HostOrders {
    pub(super) plan: Arc<Plan>,
    rollout: RolloutId,
    archives: Archives,
    places: HashMap<HostName, usize>,
}

/// What a host is to do for an order of either direction.
struct PendingOrder {
    kind: Kind,
    to: Digest,
    /// What the host runs before it.
    from: Option<Digest>,
    key: String,
    options: OrderOptions,
}

impl PendingOrder {
    fn result(&self, host: &HostName, answer: OrderResult) -> HostResult {
        answered::of_answer(host, self.kind, self.to, self.from, answer)
    }
}

impl HostOrders {
    pub(super) fn new(rollout: RolloutId, plan: Arc<Plan>, archives: Archives) -> Self {
        let hosts = plan.hosts.iter().enumerate();
        let places = hosts.map(|(place, planned)| (planned.host.clone(), place)).collect();
        Self { plan, rollout, archives, places }
    }

    /// Has the host end what it does for its order. What comes of it, the order's result says.
    pub(super) async fn stop(&self, client: &UpdaterClient) {
        // A host that cannot be told goes on, and is waited for.
        let _ = client.stop(&self.plan.app).await;
    }

    /// Takes the host to its result. Whatever it answers, there is one. An order that may have been
    /// given before (`again`) is asked about first, by its name.
    pub(super) async fn take(
        &self,
        host: &HostName,
        client: &UpdaterClient,
        order: HostOrder,
        again: bool,
        progress: ProgressCallback,
    ) -> HostResult {
        let begun = Instant::now();
        let result = if let Some(pending) = self.pending_order(host, order) {
            match self.answer(client, &pending, again, Arc::clone(&progress)).await {
                Ok(answer) => left_out::tell(pending.result(host, answer), &self.archives.left_out),
                Err(error) => answered::of_error(host, pending.from, &error),
            }
        } else {
            let from = self.planned(host).and_then(|planned| planned.from);
            HostResult { from, to: from, ..HostResult::new(host, HostOutcome::AlreadyCurrent) }
        };
        let result = match order {
            HostOrder::Forward { updater, .. } => {
                self.then_its_updater(client, updater, result, progress).await
            }
            HostOrder::Back { .. } => result,
        };
        answered::lasted(result, begun.elapsed())
    }

    /// The result of a host that is left out by now: nothing was done there.
    pub(super) fn skipped(&self, host: &HostName, reason: &SkipReason) -> HostResult {
        let from = self.planned(host).and_then(|planned| planned.from);
        HostResult { from, to: from, ..HostResult::new(host, HostOutcome::Skipped) }
            .with_reason(ResultCode::from(reason.code().to_owned()), &reason.to_string())
    }

    /// What became of an order that may have been given before, of a host that is left out by now. One that it
    /// never got is not given again.
    pub(super) async fn take_if_given(
        &self,
        host: &HostName,
        client: &UpdaterClient,
        order: HostOrder,
        reason: &SkipReason,
        progress: ProgressCallback,
    ) -> HostResult {
        let begun = Instant::now();
        let skipped = || self.skipped(host, reason);
        let Some(pending) = self.pending_order(host, order) else { return skipped() };
        let result = match client.recover_outcome(&self.plan.app, &pending.key, progress).await {
            Ok(Some(answer)) => pending.result(host, answer),
            Ok(None) => skipped(),
            Err(error) => answered::of_error(host, pending.from, &error),
        };
        answered::lasted(result, begun.elapsed())
    }

    /// Asks once what became of an order that has taken too long. One that has not come to an end by
    /// the host's own word is not clear.
    pub(super) async fn ask(
        &self,
        host: &HostName,
        client: &UpdaterClient,
        order: HostOrder,
        stop: bool,
    ) -> HostResult {
        if stop {
            self.stop(client).await;
        }
        let place = self.places.get(host).copied();
        let limit = place.map_or(self.plan.policy.deadlines.order, |at| self.plan.order_limit(at));
        let late = format!("its order has not come to an end within {limit}, and goes on there");
        let Some(pending) = self.pending_order(host, order) else {
            return HostResult::new(host, HostOutcome::Unclear)
                .with_reason(MasterCode::Deadline, &late);
        };
        let result = match client.outcome_if_ended(&self.plan.app, &pending.key).await {
            Ok(Some(answer)) => pending.result(host, answer),
            Ok(None) => {
                let result = HostResult {
                    from: pending.from,
                    target: Some(pending.to),
                    ..HostResult::new(host, HostOutcome::Unclear)
                };
                result.with_reason(MasterCode::Deadline, &late)
            }
            Err(error) => {
                answered::of_error(host, pending.from, &ClientError::Lost(Box::new(error)))
            }
        };
        answered::lasted(result, limit.0)
    }

    /// What a host has to do; nothing, where only its updater is replaced.
    fn pending_order(&self, host: &HostName, order: HostOrder) -> Option<PendingOrder> {
        let planned = self.planned(host);
        let options = self.plan.policy.options.clone();
        Some(match order {
            HostOrder::Forward { to, .. } => PendingOrder {
                kind: self.plan.kind,
                to: to?,
                from: planned.and_then(|planned| planned.from),
                key: self.key(host, "forward"),
                options,
            },
            HostOrder::Back { to } => PendingOrder {
                kind: Kind::Rollback,
                to,
                from: planned.and_then(|planned| planned.to),
                key: self.key(host, "back"),
                options: OrderOptions { force: false, ..options },
            },
        })
    }

    fn planned(&self, host: &HostName) -> Option<&PlannedHost> {
        self.places.get(host).map(|&place| &self.plan.hosts[place])
    }

    /// The name of a host's order. It is the same whichever process drives the rollout.
    fn key(&self, host: &HostName, direction: &str) -> String {
        format!("{}/{host}/{direction}", self.rollout)
    }

    async fn answer(
        &self,
        client: &UpdaterClient,
        pending: &PendingOrder,
        again: bool,
        progress: ProgressCallback,
    ) -> Result<OrderResult, ClientError> {
        let (app, key, options) = (&self.plan.app, pending.key.as_str(), &pending.options);
        let report = || Arc::clone(&progress);
        let mut answer = loop {
            let before =
                if again { client.recover_outcome(app, key, report()).await? } else { None };
            let answer = match (before, &self.archives.goal) {
                (Some(answer), _) => answer,
                (None, _) if pending.kind == Kind::Rollback => {
                    client.rollback(app, key, pending.to, options, report()).await?
                }
                (None, Goal::Push(archive)) => {
                    client.push(app, key, archive, options, report()).await?
                }
                (None, _) => client.activate(app, key, pending.to, options, report()).await?,
            };
            // What the driver before had sent when it died may arrive only now: that is the order, then.
            if !again || answer.code != Some(Code::UpdateInProgress.into()) {
                break answer;
            }
        };
        // The host waits until it sees that this master still reaches it.
        let mut attempts = CONFIRM_AGAIN.attempts();
        for _ in 0..CONFIRMATIONS {
            let (Status::Confirming, Some(id)) = (answer.status, answer.transaction.clone()) else {
                break;
            };
            answer = client.confirm(app, &id, report()).await?;
            if answer.status == Status::Confirming {
                sleep(attempts.fail(random())).await;
            }
        }
        Ok(answer)
    }

    /// The updater follows an app that is good.
    async fn then_its_updater(
        &self,
        client: &UpdaterClient,
        to: Option<Digest>,
        result: HostResult,
        progress: ProgressCallback,
    ) -> HostResult {
        let good = match result.outcome {
            HostOutcome::Updated | HostOutcome::AlreadyCurrent => true,
            HostOutcome::RolledBack => self.plan.kind == Kind::Rollback,
            _ => false,
        };
        match (&self.archives.updater, to) {
            (Some(archive), Some(_)) if good => {
                self_update::update(client, archive, result, progress).await
            }
            _ => result,
        }
    }
}
