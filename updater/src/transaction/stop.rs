//! Whoever may order can ask a running transaction to end: before its switch it is abandoned, after
//! it it is undone. On the way back there is nothing to ask for any more.

use protocol::{CallerKind, Code, Phase, Problem, TransactionId};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::transaction::{App, Failure};

/// Who asked which transaction to end.
pub(super) type StopRequest = Option<(TransactionId, CallerKind)>;

/// One transaction's ear for it.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    asked: watch::Receiver<StopRequest>,
    /// Nothing on the way back.
    transaction: Option<TransactionId>,
    phase: Phase,
}

impl App {
    /// Asks what is under way to end, if anything is, and says what that is.
    pub fn ask_to_stop(&self, caller: CallerKind) -> Option<TransactionId> {
        let (transaction, kind) = self.status().running?;
        tracing::info!(
            app = %self.name, %transaction,
            "{}: the {caller} asked this {kind} to stop", self.name
        );
        self.stopping.send_replace(Some((transaction.clone(), caller)));
        Some(transaction)
    }
}

impl Stop {
    pub(super) fn new(
        asked: watch::Receiver<StopRequest>,
        transaction: Option<TransactionId>,
        phase: Phase,
    ) -> Self {
        Self { asked, transaction, phase }
    }

    /// Why the transaction has to end, if it was asked to.
    pub(super) fn heard(&self) -> Option<Failure> {
        self.reason(&self.asked.borrow())
    }

    /// Waits for something, but no longer than until the transaction is asked to end.
    pub(super) fn or<T>(
        &self,
        handle: &Handle,
        waited: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let mut asked = self.asked.clone();
        let heard = async {
            let asked = asked.wait_for(|asked| self.reason(asked).is_some()).await;
            match asked.ok().and_then(|asked| self.reason(&asked)) {
                Some(reason) => reason,
                // Nobody is left who could ask.
                None => std::future::pending().await,
            }
        };
        handle.block_on(async {
            tokio::select! {
                biased;
                reason = heard => Err(reason),
                waited = waited => Ok(waited),
            }
        })
    }

    fn reason(&self, asked: &StopRequest) -> Option<Failure> {
        let (transaction, caller) = asked.as_ref()?;
        let meant = self.transaction.as_ref() == Some(transaction);
        meant.then(|| {
            let detail = format!("it was asked to stop by the {caller}, in {}", self.phase);
            Failure::host_problem(Problem::new(Code::Interrupted, detail))
        })
    }
}
