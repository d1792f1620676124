//! What a caller tells a transaction that is under way: that the master has come back on a new
//! connection, or that the transaction has to end.
//!
//! Before its switch a transaction that was asked to stop is abandoned, after it it is undone. On the
//! way back there is nothing to ask for any more.

use std::time::Duration;

use protocol::{CallerKind, Code, Phase, Problem, TransactionId};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::transaction::Failure;

/// Which transaction was asked to stop, and by which caller.
type StopRequest = Option<(TransactionId, CallerKind)>;

pub(in crate::transaction) struct Signals {
    /// The transaction that the master has confirmed.
    confirmed: watch::Sender<Option<TransactionId>>,
    stop: watch::Sender<StopRequest>,
}

/// Tells a phase whether its transaction was asked to stop.
#[derive(Debug, Clone)]
pub(in crate::transaction) struct StopSignal {
    requested: watch::Receiver<StopRequest>,
    /// None where the phase cannot be stopped.
    transaction: Option<TransactionId>,
    phase: Phase,
}

impl Signals {
    pub(in crate::transaction) fn new() -> Self {
        Self { confirmed: watch::Sender::new(None), stop: watch::Sender::new(None) }
    }

    pub(in crate::transaction) fn confirm(&self, transaction: TransactionId) {
        self.confirmed.send_replace(Some(transaction));
    }

    /// Waits until the master has confirmed a transaction. False if it did not within `window`.
    pub(in crate::transaction) fn confirmed(
        &self,
        transaction: TransactionId,
        window: Duration,
    ) -> impl Future<Output = bool> + use<> {
        let mut confirmed = self.confirmed.subscribe();
        let wanted = Some(transaction);
        async move {
            let waiting = confirmed.wait_for(|transaction| *transaction == wanted);
            tokio::time::timeout(window, waiting).await.is_ok()
        }
    }

    pub(in crate::transaction) fn request_stop(
        &self,
        transaction: TransactionId,
        caller: CallerKind,
    ) {
        self.stop.send_replace(Some((transaction, caller)));
    }

    /// For a phase of a transaction; without one for a phase that cannot be stopped.
    pub(in crate::transaction) fn stop_signal(
        &self,
        transaction: Option<TransactionId>,
        phase: Phase,
    ) -> StopSignal {
        StopSignal { requested: self.stop.subscribe(), transaction, phase }
    }
}

impl StopSignal {
    /// Why the transaction has to end, if it was asked to.
    pub(in crate::transaction) fn reason(&self) -> Option<Failure> {
        self.reason_in(&self.requested.borrow())
    }

    /// Waits for something, but no longer than until the transaction is asked to end.
    pub(in crate::transaction) fn or<T>(
        &self,
        handle: &Handle,
        waited: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let mut requested = self.requested.clone();
        let stopped = async {
            let request = requested.wait_for(|request| self.reason_in(request).is_some()).await;
            match request.ok().and_then(|request| self.reason_in(&request)) {
                Some(reason) => reason,
                // The app is gone, and with it every caller.
                None => std::future::pending().await,
            }
        };
        handle.block_on(async {
            tokio::select! {
                biased;
                reason = stopped => Err(reason),
                waited = waited => Ok(waited),
            }
        })
    }

    fn reason_in(&self, request: &StopRequest) -> Option<Failure> {
        let (transaction, caller) = request.as_ref()?;
        let meant = self.transaction.as_ref() == Some(transaction);
        meant.then(|| {
            let by = match caller {
                CallerKind::Local => "an operator on the host".to_owned(),
                other => format!("the {other}"),
            };
            let detail = format!("it was asked to stop by {by}, in {}", self.phase);
            Problem::new(Code::Interrupted, detail).into()
        })
    }
}
