//! What one host goes through: looked at, ordered, confirmed, and its updater after it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::{AppHealth, Digest, EventKind, Health, HostName, HostOutcome, Phase, Status};
use tokio::time::{Instant, sleep};

use crate::rollout::told::{Teller, Told};
use crate::rollout::{Goal, Order, Row, own};
use crate::worker::{Answer, Heard, Listener, Worker, WorkerError};

/// Progress is told this often, at most, of one archive.
const STEPS: u64 = 100;
/// How often a host that still waits for it is confirmed again, and after how long.
const CONFIRMATIONS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(500);

/// One host's way through a rollout.
pub(super) struct Course {
    pub(super) order: Arc<Order>,
    pub(super) teller: Teller,
}

impl Course {
    /// Takes the host to its row. Whatever it answers, there is one.
    pub(super) async fn take(&self, host: &HostName, worker: &Worker) -> Row {
        let begun = Instant::now();
        let row = match worker.health().await {
            Err(error) => Row::of_error(host, None, &error),
            Ok(health) => self.seen(host, worker, &health).await,
        };
        row.lasted(begun.elapsed())
    }

    async fn seen(&self, host: &HostName, worker: &Worker, health: &Health) -> Row {
        let Some(app) = health.apps.get(&self.order.app) else {
            return self.without_the_app(host, health);
        };
        let from = app.active.as_ref().map(|active| active.digest);
        self.wish(host, worker).await;
        let row = match self.standing(host, app, from) {
            Some(row) => row,
            None => match self.ordered(host, worker).await {
                Ok(answer) => Row::of_answer(host, &self.order.goal, from, answer),
                Err(error) => Row::of_error(host, from, &error),
            },
        };
        match &self.order.own {
            Some(push) if self.order.goal.is_met_by(row.outcome) => {
                self.teller.tell(Told::Own { host: host.clone() });
                own::update(worker, push, health.digest, row).await
            }
            _ => row,
        }
    }

    fn without_the_app(&self, host: &HostName, health: &Health) -> Row {
        let apps: Vec<_> = health.apps.keys().map(ToString::to_string).collect();
        let detail = format!("it has no app {}; it has {}", self.order.app, apps.join(", "));
        Row {
            code: Some("unknown_app".to_owned()),
            detail: Some(detail),
            ..Row::new(host, HostOutcome::Failed)
        }
    }

    /// Says which release the host is to run from now on, before it is ordered to.
    async fn wish(&self, host: &HostName, worker: &Worker) {
        let release = match self.order.goal.target() {
            Some(target) => Some(target),
            // The one before, as the host itself knows it. If it does not say, its answer will.
            None => worker.releases().await.ok().and_then(|mut releases| {
                releases.apps.remove(&self.order.app).and_then(|app| app.prev)
            }),
        };
        if let Some(release) = release {
            self.teller.tell(Told::Ordered { host: host.clone(), release });
        }
    }

    /// The row of a host that needs no order: it runs the release, and is well. One that has the
    /// release and is not well is not called current.
    fn standing(&self, host: &HostName, app: &AppHealth, from: Option<Digest>) -> Option<Row> {
        let target = self.order.goal.target()?;
        if from != Some(target) || self.order.options.force || app.state != Phase::Idle {
            return None;
        }
        let row = Row { from, to: from, ..Row::new(host, HostOutcome::AlreadyCurrent) };
        if app.healthy {
            return Some(row);
        }
        Some(Row {
            outcome: HostOutcome::Failed,
            code: Some("unhealthy".to_owned()),
            detail: Some(format!(
                "it has the release, but its agent is {}; --force activates it again",
                app.agent
            )),
            ..row
        })
    }

    async fn ordered(&self, host: &HostName, worker: &Worker) -> Result<Answer, WorkerError> {
        let Order { app, goal, options, .. } = &*self.order;
        let listener = self.listener(host);
        let heard = Arc::clone(&listener);
        let mut answer = match goal {
            Goal::Push(push) => worker.push(app, push, options, heard).await,
            Goal::Activate(digest) => worker.activate(app, *digest, options, heard).await,
            Goal::Back(digest) => worker.rollback(app, *digest, options, heard).await,
        }?;
        // The host waits until it sees that this master still reaches it.
        for _ in 0..CONFIRMATIONS {
            let (Status::Confirming, Some(id)) = (answer.status, answer.transaction.clone()) else {
                break;
            };
            answer = worker.confirm(app, &id, Arc::clone(&listener)).await?;
            if answer.status == Status::Confirming {
                sleep(PAUSE).await;
            }
        }
        Ok(answer)
    }

    fn listener(&self, host: &HostName) -> Listener {
        let (host, teller) = (host.clone(), self.teller.clone());
        let (step, last) = (AtomicU64::new(0), Mutex::new(None));
        Arc::new(move |heard| {
            let host = host.clone();
            let told = match heard {
                Heard::Sent { bytes, total } => {
                    let now = bytes.saturating_mul(STEPS) / total.max(1);
                    if step.swap(now, Ordering::Relaxed) == now {
                        return;
                    }
                    Told::Progress { host, bytes, total }
                }
                Heard::Still(phase) => Told::Phase { host, phase, detail: None },
                Heard::Event(event) => match event.kind {
                    EventKind::Phase { phase, detail, .. } => Told::Phase { host, phase, detail },
                    _ => return,
                },
            };
            if let Told::Phase { phase, .. } = &told {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.replace(*phase) == Some(*phase) {
                    return;
                }
            }
            teller.tell(told);
        })
    }
}
