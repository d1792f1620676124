//! What an operator on the host does to an agent: stop it, start it, restart it. One that was
//! stopped stays so, over restarts of the updater and of the machine, until it is started again or
//! a transaction starts it.

use std::sync::Arc;

use futures_util::StreamExt as _;
use protocol::{AgentState, CallerKind, EventKind, OperationKind, OperatorName, TransactionId};
use serde::Deserialize;

use super::parts::AgentProcess;
use super::{App, EventFilter, Failure, Journal};
use crate::runner::Killed;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, strum::Display, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Operation {
    /// End it, and leave it so.
    Stop,
    /// Start the active release, if it does not run.
    Start,
    /// End it and start it.
    Restart,
}

impl From<Operation> for OperationKind {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Stop => Self::Stop,
            Operation::Start => Self::Start,
            Operation::Restart => Self::Restart,
        }
    }
}

impl App {
    /// Does it, and returns when it is done. While a transaction is under way, that has the agent in
    /// its hands: a stop ends one that can be undone, and waits until it is; all else is refused. Says what
    /// had to be killed.
    pub fn operate(
        self: &Arc<Self>,
        operation: Operation,
        by: Option<OperatorName>,
    ) -> Result<Option<Killed>, Failure> {
        if operation == Operation::Stop
            && let Some(journal) = self.undoable()
        {
            self.undo_and_wait(&journal.transaction);
        }
        let _lock = self.lock_at_rest()?;
        let _held = self.agent.hold();
        self.refresh();
        let nothing_to_do = self.is_so_already(operation);
        let done = match operation {
            Operation::Stop => self.with_room(|| self.agent.stop_for_good()),
            Operation::Start => self.agent.start_active().map(|()| None),
            // What would not be started again is not stopped.
            Operation::Restart => {
                let ended = self.agent.startable().and_then(|_| self.agent.end());
                ended.and_then(|killed| self.agent.start_active().map(|()| killed))
            }
        };
        self.refresh();
        self.agent.changed.notify_one();
        let killed = done.as_ref().ok().and_then(Option::as_ref).map(Killed::to_string);
        let noted = killed.as_ref().map(|killed| format!("; {killed}")).unwrap_or_default();
        let said = operation.into_str();
        let found = if nothing_to_do && done.is_ok() { "nothing to do, " } else { "" };
        let detail = format!("an operator said {said}: {found}{}{noted}", self.agent_in_words());
        let app = &self.settings.name;
        tracing::info!(%app, "{app}: {detail}");
        self.status.publish(None, EventKind::Agent { detail });
        if found.is_empty() {
            self.keep_operation(
                operation.into(),
                by,
                None,
                done.as_ref().map(|_| killed.as_deref()),
            );
        }
        done
    }

    /// Whether what is asked for is so: that it was asked for is no act that a history has.
    fn is_so_already(&self, operation: Operation) -> bool {
        match (operation, self.status.get().agent) {
            (Operation::Start, AgentProcess::Running(_)) => !self.agent.is_kept_stopped(),
            (Operation::Start, AgentProcess::NoProcess) => true,
            (Operation::Stop, AgentProcess::Stopped) => self.agent.is_kept_stopped(),
            _ => false,
        }
    }

    /// The transaction that is under way, if it is past its switch and can be undone: that is, watched
    /// mostly.
    pub(crate) fn undoable(&self) -> Option<Journal> {
        self.status.get().running?;
        let journal = Journal::read(&self.settings.files.journal()).ok().flatten()?;
        journal.is_undoable().then_some(journal)
    }

    fn undo_and_wait(&self, transaction: &TransactionId) {
        let after = self.status.last_event();
        if self.request_stop(CallerKind::Local).as_ref() != Some(transaction) {
            return;
        }
        let filter = EventFilter {
            app: Some(self.settings.name.clone()),
            transaction: Some(transaction.clone()),
            after,
        };
        let mut events = Box::pin(self.status.listen(filter));
        // It may have ended before it was listened to: then it holds nothing any more.
        let over = async {
            while let Some(event) = events.next().await {
                if matches!(event.kind, EventKind::Result(_)) {
                    break;
                }
            }
        };
        self.handle.block_on(over);
    }

    /// What an operator stopped does not run, also if the updater died before it had stopped it.
    pub(crate) fn keep_stopped(&self) -> Result<(), Failure> {
        if self.agent.is_kept_stopped() && !self.agent.may_be_in_a_transactions_hands() {
            self.agent.end_and_close_sockets()?;
            self.refresh();
        }
        Ok(())
    }

    fn agent_in_words(&self) -> String {
        let health = self.status.get().health();
        match health.pid {
            Some(pid) => format!("it runs as process {pid}"),
            None if health.agent == AgentState::NoProcess => "it has no process".to_owned(),
            None => format!("it is {}", health.agent),
        }
    }
}
