//! What one host goes through when it is ordered: sent, followed, confirmed, and its updater after
//! it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use common::{Backoff, random};
use engine::{HostOrder, MasterCode, Plan, PlannedHost, Row};
use protocol::{Code, Digest, HostName, HostOutcome, Kind, OrderOptions, Status};
use store::RolloutId;
use tokio::time::{Instant, sleep};

use crate::rollout::{Archives, Goal, row, self_update};
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
    fn row(&self, host: &HostName, answer: OrderResult) -> Row {
        row::of_answer(host, self.kind, self.to, self.from, answer)
    }
}

impl HostOrders {
    pub(super) fn new(rollout: RolloutId, plan: Arc<Plan>, archives: Archives) -> Self {
        let hosts = plan.hosts.iter().enumerate();
        let places = hosts.map(|(place, planned)| (planned.host.clone(), place)).collect();
        Self { plan, rollout, archives, places }
    }

    /// Puts the release on the host's disk; why not, if it is not there now.
    pub(super) async fn stage(
        &self,
        host: &HostName,
        client: &UpdaterClient,
        progress: ProgressCallback,
    ) -> Option<String> {
        let Goal::Push(archive) = &self.archives.goal else { return None };
        let (key, options) = (self.key(host, "stage"), &self.plan.policy.options);
        match client.stage(&self.plan.app, &key, archive, options, progress).await {
            Ok(answer) => match answer.status {
                Status::Staged | Status::AlreadyCurrent => None,
                _ => Some(answer.detail.or(answer.code.map(String::from)).unwrap_or_default()),
            },
            Err(error) => Some(error.row()),
        }
    }

    /// Takes the host to its row. Whatever it answers, there is one. An order that may have been
    /// given before (`again`) is asked about first, by its name.
    pub(super) async fn take(
        &self,
        host: &HostName,
        client: &UpdaterClient,
        order: HostOrder,
        again: bool,
        progress: ProgressCallback,
    ) -> Row {
        let begun = Instant::now();
        let row = if let Some(errand) = self.errand(host, order) {
            match self.answer(client, &errand, again, Arc::clone(&progress)).await {
                Ok(answer) => errand.row(host, answer),
                Err(error) => row::of_error(host, errand.from, &error),
            }
        } else {
            let from = self.planned(host).and_then(|planned| planned.from);
            Row { from, to: from, ..Row::new(host, HostOutcome::AlreadyCurrent) }
        };
        let row = match order {
            HostOrder::Forward { updater, .. } => {
                self.then_its_updater(client, updater, row, progress).await
            }
            HostOrder::Back { .. } => row,
        };
        row::lasted(row, begun.elapsed())
    }

    /// Asks once what became of an order that has taken too long. One that has not come to an end by
    /// the host's own word is not clear.
    pub(super) async fn ask(
        &self,
        host: &HostName,
        client: &UpdaterClient,
        order: HostOrder,
    ) -> Row {
        let limit = self.plan.policy.deadlines.order;
        let late = format!("its order has not come to an end within {limit}");
        let Some(errand) = self.errand(host, order) else {
            return Row::new(host, HostOutcome::Failed).because(MasterCode::Deadline, &late);
        };
        let row = match client.outcome_if_ended(&self.plan.app, &errand.key).await {
            Ok(Some(answer)) => errand.row(host, answer),
            Ok(None) => {
                let row = Row { from: errand.from, ..Row::new(host, HostOutcome::Failed) };
                row.because(MasterCode::Deadline, &late)
            }
            Err(error) => row::of_error(host, errand.from, &ClientError::Lost(Box::new(error))),
        };
        row::lasted(row, limit.0)
    }

    /// What a host has to do; nothing, where only its updater is replaced.
    fn errand(&self, host: &HostName, order: HostOrder) -> Option<PendingOrder> {
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

    /// The name of a host's order. It is the same for whoever drives the rollout.
    fn key(&self, host: &HostName, direction: &str) -> String {
        format!("{}/{host}/{direction}", self.rollout)
    }

    async fn answer(
        &self,
        client: &UpdaterClient,
        errand: &PendingOrder,
        again: bool,
        progress: ProgressCallback,
    ) -> Result<OrderResult, ClientError> {
        let (app, key, options) = (&self.plan.app, errand.key.as_str(), &errand.options);
        let report = || Arc::clone(&progress);
        let mut answer = loop {
            let before =
                if again { client.recover_outcome(app, key, report()).await? } else { None };
            let answer = match (before, &self.archives.goal) {
                (Some(answer), _) => answer,
                (None, _) if errand.kind == Kind::Rollback => {
                    client.rollback(app, key, errand.to, options, report()).await?
                }
                (None, Goal::Push(archive)) => {
                    client.push(app, key, archive, options, report()).await?
                }
                (None, _) => client.activate(app, key, errand.to, options, report()).await?,
            };
            // What whoever died had sent may arrive only now: that is the order, then.
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
        row: Row,
        progress: ProgressCallback,
    ) -> Row {
        let good = match row.outcome {
            HostOutcome::Updated | HostOutcome::AlreadyCurrent => true,
            HostOutcome::RolledBack => self.plan.kind == Kind::Rollback,
            _ => false,
        };
        match (&self.archives.own, to) {
            (Some(archive), Some(_)) if good => {
                self_update::update(client, archive, row, progress).await
            }
            _ => row,
        }
    }
}
