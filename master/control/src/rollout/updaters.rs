//! The real executor: updaters over the network, the machine's clock, and signals.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::{
    Command, DriverEvent, Event, Executor, HostOrder, HostReport, HostResult, MasterCode,
    Observation, ResultCode,
};
use protocol::{EventKind, HostName, HostOutcome};
use store::{SkipReason, Store};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::interrupt::Interrupt;
use crate::rollout::answered::{defect, unreachable};
use crate::rollout::host_orders::HostOrders;
use crate::updater_client::{ClientError, OrderProgress, ProgressCallback, UpdaterClient};

/// Progress is told this often, at most, of one archive.
const STEPS: u64 = 100;

/// The updaters of a rollout's hosts.
pub type UpdaterClients = BTreeMap<HostName, Result<UpdaterClient, ClientError>>;

/// The hosts of a rollout, and what is under way there. Dropped, nothing is waited for any more;
/// the hosts finish what they have begun.
pub(super) struct Updaters<'a> {
    /// Asked of each host at its turn: an operator may hold it, or take it out of the fleet, meanwhile.
    store: &'a Store,
    orders: Arc<HostOrders>,
    clients: UpdaterClients,
    now: fn() -> OffsetDateTime,
    interrupt: Interrupt,
    stops: u8,
    tasks: JoinSet<()>,
    by_host: BTreeMap<HostName, AbortHandle>,
    sender: mpsc::UnboundedSender<DriverEvent>,
    receiver: mpsc::UnboundedReceiver<DriverEvent>,
}

impl<'a> Updaters<'a> {
    pub(super) fn new(
        store: &'a Store,
        orders: HostOrders,
        clients: UpdaterClients,
        now: fn() -> OffsetDateTime,
        interrupt: Interrupt,
    ) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            store,
            orders: Arc::new(orders),
            clients,
            now,
            interrupt,
            stops: 0,
            tasks: JoinSet::new(),
            by_host: BTreeMap::new(),
            sender,
            receiver,
        }
    }

    /// Does something with a host's updater beside everything else, and tells what came of it.
    fn begin<F>(
        &mut self,
        host: HostName,
        work: impl FnOnce(HostName, UpdaterClient, ProgressCallback) -> F,
    ) where
        F: Future<Output = Event> + Send + 'static,
    {
        let Some(Ok(updater)) = self.clients.get(&host) else { return };
        let progress = progress_callback(&host, self.sender.clone());
        let work = work(host.clone(), updater.clone(), progress);
        let sender = self.sender.clone();
        let task = self.tasks.spawn(async move {
            // The receiver is gone only when the driver is.
            drop(sender.send(DriverEvent::Event(work.await)));
        });
        self.by_host.insert(host, task);
    }

    /// A host that is left out of rollouts by now, and has had no order of this one.
    fn left_out(&self, command: &Command) -> Option<Event> {
        let (Command::Observe { host }
        | Command::Order { host, order: HostOrder::Forward { .. }, again: false }) = command
        else {
            return None;
        };
        let reason = self.skip_reason(host)?;
        if matches!(command, Command::Order { .. }) {
            let result = Box::new(self.orders.skipped(host, &reason));
            return Some(Event::OrderEnded { result });
        }
        let code = ResultCode::from(reason.code().to_owned());
        let observation = Observation::Refused { code, detail: reason.to_string() };
        Some(Event::Observed { host: host.clone(), observation })
    }

    /// Why a host is left out of rollouts by now. A store that cannot be read ends the rollout where it is
    /// written to.
    fn skip_reason(&self, host: &HostName) -> Option<SkipReason> {
        self.store.host(host).ok()?.skip_reason()
    }

    /// A host that cannot be told from others, or is not in the fleet any more, is not spoken to.
    fn unknown(&self, command: &Command) -> Option<Event> {
        let (Command::Observe { host }
        | Command::Order { host, .. }
        | Command::Stop { host }
        | Command::QueryOutcome { host, .. }) = command
        else {
            return None;
        };
        let observation = match self.clients.get(host) {
            Some(Ok(_)) => return None,
            Some(Err(error)) => unreachable(error),
            None => defect(),
        };
        let host = host.clone();
        Some(match (command, observation) {
            (
                Command::Order { .. } | Command::QueryOutcome { .. },
                Observation::Unreachable { code, detail } | Observation::Refused { code, detail },
            ) => {
                // What became of an order that it may have is not clear.
                let had = !matches!(command, Command::Order { again: false, .. });
                let (outcome, code) = if had {
                    (HostOutcome::Unclear, MasterCode::Lost.into())
                } else {
                    (HostOutcome::Unreachable, code)
                };
                let result = HostResult::new(&host, outcome).with_reason(code, &detail);
                Event::OrderEnded { result: Box::new(result) }
            }
            (_, observation) => Event::Observed { host, observation },
        })
    }
}

impl Executor for Updaters<'_> {
    fn now(&self) -> OffsetDateTime {
        (self.now)()
    }

    fn carry_out(&mut self, command: Command) {
        if let Some(event) = self.unknown(&command).or_else(|| self.left_out(&command)) {
            drop(self.sender.send(DriverEvent::Event(event)));
            return;
        }
        let orders = Arc::clone(&self.orders);
        match command {
            Command::Observe { host } => self.begin(host, |host, updater, _| async move {
                let observation = match updater.fresh_health().await {
                    Ok(health) => Observation::Reported(HostReport::of(&health, &orders.plan.app)),
                    Err(error) => unreachable(&error),
                };
                Event::Observed { host, observation }
            }),
            // Its order is followed meanwhile, and has its own result.
            Command::Stop { host } => {
                if let Some(Ok(updater)) = self.clients.get(&host) {
                    let updater = updater.clone();
                    self.tasks.spawn(async move { orders.stop(&updater).await });
                }
            }
            Command::Order { host, order, again } => {
                let may_have_it = again && matches!(order, HostOrder::Forward { .. });
                let left_out = self.skip_reason(&host).filter(|_| may_have_it);
                self.begin(host, |host, updater, progress| async move {
                    let result = match &left_out {
                        Some(reason) => {
                            orders.take_if_given(&host, &updater, order, reason, progress).await
                        }
                        None => orders.take(&host, &updater, order, again, progress).await,
                    };
                    Event::OrderEnded { result: Box::new(result) }
                });
            }
            Command::QueryOutcome { host, order, stop } => {
                self.begin(host, move |host, updater, _| async move {
                    let result = orders.ask(&host, &updater, order, stop).await;
                    Event::OrderEnded { result: Box::new(result) }
                });
            }
            Command::Abandon { host } => {
                if let Some(task) = self.by_host.remove(&host) {
                    task.abort();
                }
            }
            Command::Announce(_) | Command::RecordSkipped(_) => {}
        }
    }

    async fn next(&mut self, until: OffsetDateTime) -> DriverEvent {
        let left = Duration::try_from(until - (self.now)()).unwrap_or(Duration::ZERO);
        loop {
            tokio::select! {
                biased;
                () = self.interrupt.asked(self.stops.saturating_add(1)) => {
                    self.stops = self.stops.saturating_add(1);
                    return DriverEvent::StopRequested;
                }
                Some(event) = self.receiver.recv() => return event,
                // A task that broke off has told nothing: it is a defect, and not hidden.
                Some(Err(broken)) = self.tasks.join_next() => {
                    if let Some(event) = self.defect(&broken) {
                        return DriverEvent::Event(event);
                    }
                }
                () = tokio::time::sleep(left) => return DriverEvent::TimeReached,
            }
        }
    }
}

impl Updaters<'_> {
    fn defect(&mut self, broken: &tokio::task::JoinError) -> Option<Event> {
        if broken.is_cancelled() {
            return None;
        }
        let of = |(_, task): &(&HostName, &AbortHandle)| task.id() == broken.id();
        let host = self.by_host.iter().find(of)?.0.clone();
        // Not a code of the host's: what became of its order is not clear.
        let result = HostResult::new(&host, HostOutcome::Unclear)
            .with_reason(MasterCode::Defect, "swarm itself failed; ask with: swarm status");
        Some(Event::OrderEnded { result: Box::new(result) })
    }
}

/// Passes on what a host does, and no phase twice in a row.
fn progress_callback(
    host: &HostName,
    sender: mpsc::UnboundedSender<DriverEvent>,
) -> ProgressCallback {
    let host = host.clone();
    let (percent, last) = (AtomicU64::new(0), Mutex::new(None));
    Arc::new(move |step| {
        let host = host.clone();
        let (phase, detail) = match step {
            OrderProgress::ArchiveSent { bytes, total } => {
                let now = bytes.saturating_mul(STEPS) / total.max(1);
                if percent.swap(now, Ordering::Relaxed) != now {
                    let progress = engine::HostProgress::Sent { bytes, total };
                    drop(sender.send(DriverEvent::Progress { host, progress }));
                }
                return;
            }
            OrderProgress::SelfUpdateBegun => {
                drop(sender.send(DriverEvent::Event(Event::UpdatingSelf { host })));
                return;
            }
            OrderProgress::Polled(phase) => (phase, None),
            OrderProgress::Event(event) => match event.kind {
                EventKind::Phase { phase, detail, .. } => (phase, detail),
                EventKind::Probe { attempt, passed, .. } => {
                    let progress = engine::HostProgress::Probed { attempt, passed };
                    drop(sender.send(DriverEvent::Progress { host, progress }));
                    return;
                }
                _ => return,
            },
        };
        let before = last.lock().unwrap_or_else(PoisonError::into_inner).replace(phase);
        if before != Some(phase) {
            drop(sender.send(DriverEvent::Event(Event::PhaseEntered { host, phase, detail })));
        }
    })
}
