//! What one host goes through when it is ordered: sent, followed, confirmed, and its updater after
//! it.

use std::sync::Arc;
use std::time::Duration;

use protocol::{Digest, HostName, HostOutcome, Kind, OrderOptions, Status};
use tokio::time::{Instant, sleep};

use crate::rollout::engine::{HostOrder, Plan, Row};
use crate::rollout::{Archives, Goal, own};
use crate::store::RolloutId;
use crate::worker::{Answer, Listener, Worker, WorkerError};

/// How often a host that still waits for it is confirmed again, and after how long.
const CONFIRMATIONS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(500);

/// The orders of one rollout.
pub(super) struct Course {
    pub(super) rollout: RolloutId,
    pub(super) plan: Arc<Plan>,
    pub(super) archives: Arc<Archives>,
}

/// What a host is to do for an order of either direction.
struct Errand {
    kind: Kind,
    to: Digest,
    key: String,
    options: OrderOptions,
}

impl Course {
    /// Puts the release on the host's disk; why not, if it is not there now.
    pub(super) async fn stage(
        &self,
        host: &HostName,
        worker: &Worker,
        listener: Listener,
    ) -> Option<String> {
        let Goal::Push(push) = &self.archives.goal else { return None };
        let (key, options) = (self.key(host, "stage"), &self.plan.policy.options);
        match worker.stage(&self.plan.app, &key, push, options, listener).await {
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
        worker: &Worker,
        order: HostOrder,
        again: bool,
        listener: Listener,
    ) -> Row {
        let begun = Instant::now();
        let planned = self.plan.hosts.iter().find(|planned| planned.host == *host);
        let from = planned.and_then(|planned| planned.from);
        let row = match order {
            HostOrder::Back { to } => {
                let key = self.key(host, "back");
                let options = OrderOptions { force: false, ..self.plan.policy.options.clone() };
                let errand = Errand { kind: Kind::Rollback, to, key, options };
                let runs = planned.and_then(|planned| planned.to);
                self.ordered(host, worker, errand, runs, again, listener).await
            }
            HostOrder::Forward { to, updater } => {
                let row = match to {
                    None => Row { from, to: from, ..Row::new(host, HostOutcome::AlreadyCurrent) },
                    Some(to) => {
                        let key = self.key(host, "forward");
                        let options = self.plan.policy.options.clone();
                        let errand = Errand { kind: self.plan.kind, to, key, options };
                        self.ordered(host, worker, errand, from, again, listener).await
                    }
                };
                self.then_its_updater(worker, updater, row).await
            }
        };
        row.lasted(begun.elapsed())
    }

    /// The name of a host's order. It is the same for whoever drives the rollout.
    fn key(&self, host: &HostName, direction: &str) -> String {
        format!("{}/{host}/{direction}", self.rollout)
    }

    async fn ordered(
        &self,
        host: &HostName,
        worker: &Worker,
        errand: Errand,
        from: Option<Digest>,
        again: bool,
        listener: Listener,
    ) -> Row {
        match self.answer(worker, &errand, again, listener).await {
            Ok(answer) => Row::of_answer(host, errand.kind, errand.to, from, answer),
            Err(error) => Row::of_error(host, from, &error),
        }
    }

    async fn answer(
        &self,
        worker: &Worker,
        errand: &Errand,
        again: bool,
        listener: Listener,
    ) -> Result<Answer, WorkerError> {
        let (app, key, options) = (&self.plan.app, errand.key.as_str(), &errand.options);
        let heard = || Arc::clone(&listener);
        let before = if again { worker.find_out(app, key, heard()).await? } else { None };
        let mut answer = match (before, &self.archives.goal) {
            (Some(answer), _) => answer,
            (None, _) if errand.kind == Kind::Rollback => {
                worker.rollback(app, key, errand.to, options, heard()).await?
            }
            (None, Goal::Push(push)) => worker.push(app, key, push, options, heard()).await?,
            (None, _) => worker.activate(app, key, errand.to, options, heard()).await?,
        };
        // The host waits until it sees that this master still reaches it.
        for _ in 0..CONFIRMATIONS {
            let (Status::Confirming, Some(id)) = (answer.status, answer.transaction.clone()) else {
                break;
            };
            answer = worker.confirm(app, &id, heard()).await?;
            if answer.status == Status::Confirming {
                sleep(PAUSE).await;
            }
        }
        Ok(answer)
    }

    /// The updater follows an app that is good.
    async fn then_its_updater(&self, worker: &Worker, to: Option<Digest>, row: Row) -> Row {
        let good = match row.outcome {
            HostOutcome::Updated | HostOutcome::AlreadyCurrent => true,
            HostOutcome::RolledBack => self.plan.kind == Kind::Rollback,
            _ => false,
        };
        match (&self.archives.own, to) {
            (Some(push), Some(_)) if good => own::update(worker, push, row).await,
            _ => row,
        }
    }
}
