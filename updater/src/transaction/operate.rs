//! What an operator on the host does to an agent: stop it, start it, restart it. One that was
//! stopped stays so, over restarts of the updater and of the machine, until it is started again or
//! a transaction starts it.

use std::sync::Arc;

use protocol::EventKind;
use serde::Deserialize;

use super::{App, Failure};

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

impl App {
    /// Does it, and returns when it is done. Not while a transaction is under way: that has the
    /// agent in its hands.
    pub fn operate(self: &Arc<Self>, operation: Operation) -> Result<(), Failure> {
        let _lock = self.lock_at_rest()?;
        let _held = self.agent.hold();
        let done = match operation {
            Operation::Stop => self.agent.stop_for_good(),
            Operation::Start => self.agent.start_active(),
            Operation::Restart => self.agent.end().and_then(|()| self.agent.start_active()),
        };
        self.refresh();
        self.agent.changed.notify_one();
        let detail =
            format!("an operator said {}: {}", operation.into_str(), self.agent_in_words());
        let app = &self.settings.name;
        tracing::info!(%app, "{app}: {detail}");
        self.status.publish(None, EventKind::Agent { detail });
        done
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
            None => format!("it is {}", health.agent),
        }
    }
}
