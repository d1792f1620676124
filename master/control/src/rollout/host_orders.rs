//! What one host goes through when it is ordered: sent, followed, confirmed, and its updater after
//! it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use engine::{HostOrder, Plan, PlannedHost, Row};
use protocol::{Code, Digest, HostName, HostOutcome, Kind, OrderOptions, Status};
use store::RolloutId;
use tokio::time::{Instant, sleep};

use crate::rollout::{Archives, Goal, row, self_update};
use crate::updater_client::{Answer, ClientError, Listener, UpdaterClient};

/// How often a host that still waits for it is confirmed again, and after how long.
const CONFIRMATIONS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(500);

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
    fn row(&self, host: &HostName, answer: Answer) -> Row {
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
        listener: Listener,
    ) -> Option<String> {
        let Goal::Push(push) = &self.archives.goal else { return None };
        let (key, options) = (self.key(host, "stage"), &self.plan.policy.options);
        match client.stage(&self.plan.app, &key, push, options, listener).await {
            Ok(answer) => match answer.status {
                Status::Staged | Status::AlreadyCurrent => None,
                _ => Some(answer.detail.or(answer.code).unwrap_or_default()),
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
        listener: Listener,
    ) -> Row {
        let begun = Instant::now();
        let row = if let Some(errand) = self.errand(host, order) {
            match self.answer(client, &errand, again, Arc::clone(&listener)).await {
                Ok(answer) => errand.row(host, answer),
                Err(error) => row::of_error(host, errand.from, &error),
            }
        } else {
            let from = self.planned(host).and_then(|planned| planned.from);
            Row { from, to: from, ..Row::new(host, HostOutcome::AlreadyCurrent) }
        };
        let row = match order {
            HostOrder::Forward { updater, .. } => {
                self.then_its_updater(client, updater, row, listener).await
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
            return Row::new(host, HostOutcome::Failed).because("deadline", &late);
        };
        let row = match client.ended(&self.plan.app, &errand.key).await {
            Ok(Some(answer)) => errand.row(host, answer),
            Ok(None) => {
                let row = Row { from: errand.from, ..Row::new(host, HostOutcome::Failed) };
                row.because("deadline", &late)
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
        listener: Listener,
    ) -> Result<Answer, ClientError> {
        let (app, key, options) = (&self.plan.app, errand.key.as_str(), &errand.options);
        let heard = || Arc::clone(&listener);
        let mut answer = loop {
            let before = if again { client.find_out(app, key, heard()).await? } else { None };
            let answer = match (before, &self.archives.goal) {
                (Some(answer), _) => answer,
                (None, _) if errand.kind == Kind::Rollback => {
                    client.rollback(app, key, errand.to, options, heard()).await?
                }
                (None, Goal::Push(push)) => client.push(app, key, push, options, heard()).await?,
                (None, _) => client.activate(app, key, errand.to, options, heard()).await?,
            };
            // What whoever died had sent may arrive only now: that is the order, then.
            if !again || answer.code.as_deref() != Some(Code::UpdateInProgress.name()) {
                break answer;
            }
        };
        // The host waits until it sees that this master still reaches it.
        for _ in 0..CONFIRMATIONS {
            let (Status::Confirming, Some(id)) = (answer.status, answer.transaction.clone()) else {
                break;
            };
            answer = client.confirm(app, &id, heard()).await?;
            if answer.status == Status::Confirming {
                sleep(PAUSE).await;
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
        listener: Listener,
    ) -> Row {
        let good = match row.outcome {
            HostOutcome::Updated | HostOutcome::AlreadyCurrent => true,
            HostOutcome::RolledBack => self.plan.kind == Kind::Rollback,
            _ => false,
        };
        match (&self.archives.own, to) {
            (Some(push), Some(_)) if good => self_update::update(client, push, row, listener).await,
            _ => row,
        }
    }
}
