//! Going on with a transaction that an earlier updater left in the middle.

use protocol::Digest;

use super::Engine;
use super::finish::Ended;
use crate::sys::BootTime;
use crate::transaction::machine::{self, Recovered, Step};

impl Engine {
    /// Goes on as soon as the agent may be started. `active` is the release that the link named when
    /// the journal was found.
    pub(in crate::transaction) fn resume(mut self, active: Option<Digest>) -> Ended {
        self.app.handle.block_on(self.app.agent.start_allowed());
        self.log_resumed();
        if let Some(outcome) = self.journal.outcome {
            return self.finish(outcome);
        }
        let target_active = active.is_some() && active == self.journal.to;
        let found = Recovered { target_runs: self.target_runs(), target_active };
        match machine::recover(self.journal.state(), found) {
            Step::End(outcome) => self.finish(outcome),
            Step::Enter(phase, direction) => {
                self.announced = (phase, direction) == (self.journal.phase, self.journal.direction);
                self.journal.phase = phase;
                self.journal.direction = direction;
                self.run()
            }
        }
    }

    fn target_runs(&self) -> bool {
        let same_boot = BootTime::now().since(&self.journal.since_boot).is_some();
        if self.journal.handover {
            return same_boot && self.runs_beside();
        }
        let agent = &self.app.agent;
        let runs = |digest: Digest| {
            // Nothing that was started has to be there, on whichever boot.
            let nothing = agent.has_process(&digest).is_ok_and(|has| !has);
            nothing || (same_boot && agent.running_instance(&digest).is_some())
        };
        self.journal.target().is_some_and(runs)
    }
}
