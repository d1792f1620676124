//! Going on with a transaction that an earlier updater left in the middle.

use common::failed_to;
use protocol::{Code, Digest, Problem};

use super::Engine;
use super::finish::Ended;
use crate::sys::BootTime;
use crate::transaction::machine::{self, Recovered, Step};
use crate::transaction::{Failure, OrderlyEnd};

impl Engine {
    /// Goes on as soon as the agent may be started. `active` is the release that the link named when
    /// the journal was found.
    pub(in crate::transaction) fn resume(mut self, active: Option<Digest>) -> Ended {
        self.app.handle.block_on(self.app.agent.start_allowed());
        if let Some(outcome) = self.journal.outcome {
            self.log_resumed();
            return self.finish(outcome);
        }
        self.count_death();
        self.log_resumed();
        let target_active = active.is_some() && active == self.journal.to;
        let (state, deaths) = (self.journal.state(), self.journal.deaths);
        let found = Recovered { target_runs: self.target_runs(), target_active, deaths };
        self.note_deaths();
        match machine::recover(state, found) {
            Step::End(outcome) => self.finish(outcome),
            Step::Enter(phase, direction) => {
                self.announced = (phase, direction) == (self.journal.phase, self.journal.direction);
                self.journal.phase = phase;
                self.journal.direction = direction;
                self.run()
            }
        }
    }

    /// Counts the end of the updater before, unless it was told to end. The count is on the disk before
    /// anything else is tried: whatever is tried may be what the host dies of.
    fn count_death(&mut self) {
        let files = &self.app.settings.files;
        let told = OrderlyEnd::take(&files.orderly_end(), &self.journal.transaction);
        if told.unwrap_or(false) {
            return;
        }
        self.journal.deaths = self.journal.deaths.saturating_add(1);
        if let Err(error) = self.journal.write(&files.journal()) {
            let app = &self.app.settings.name;
            tracing::warn!("{app}: a death of the updater is not counted: {}", failed_to(&error));
        }
    }

    /// Deaths are why a transaction turns around, or are told with its end.
    fn note_deaths(&mut self) {
        let (state, deaths) = (self.journal.state(), self.journal.deaths);
        if deaths == 0 || !machine::after_switch(state.phase) {
            return;
        }
        let times = if deaths == 1 { "once".to_owned() } else { format!("{deaths} times") };
        let said = format!("the host or the updater died {times} during this {}", state.kind);
        if machine::died_too_often(state, deaths) {
            let one_way = machine::is_one_way(state.data, state.phase);
            let detail = if one_way { said } else { format!("reversed: {said}") };
            self.fail(Failure::release_problem(Problem::new(Code::RolledBack, detail)));
        } else if self.journal.failure.is_none() {
            self.notes.push(said);
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
