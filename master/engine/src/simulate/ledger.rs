//! What the driver of one simulated rollout reads and writes. Nothing is kept beside the journal.

use protocol::HostName;
use time::OffsetDateTime;

use crate::simulate::simulation_state::Shared;
use crate::{AppendOutcome, Event, HostProgress, Ledger, State, Step};

/// The process has died right after it stored an event.
#[derive(Debug)]
pub(super) struct Died;

/// The ledger of one process. It fails where the process is to die.
pub(super) struct SimulatedLedger {
    pub(super) shared: Shared,
    pub(super) rollout: usize,
}

impl Ledger for SimulatedLedger {
    type Error = Died;

    fn read(&mut self, events: Option<u64>) -> Result<(State, u64), Self::Error> {
        let shared = self.shared.borrow();
        let journal = &shared.rollouts[self.rollout].journal;
        Ok((journal.state(events), events.unwrap_or(journal.length)))
    }

    fn events_after(&mut self, events: u64) -> Result<Vec<(OffsetDateTime, Event)>, Self::Error> {
        let shared = self.shared.borrow();
        let journal = &shared.rollouts[self.rollout].journal;
        Ok(journal.since(events))
    }

    fn append(&mut self, after: u64, step: &Step<'_>) -> Result<AppendOutcome, Self::Error> {
        let mut shared = self.shared.borrow_mut();
        let journal = &mut shared.rollouts[self.rollout].journal;
        if journal.length != after {
            return Ok(AppendOutcome::Behind);
        }
        journal.add(step.time, step.event);
        let dies = journal.dies(step.state);
        shared.stepped(self.rollout, step.state);
        // It is stored, and nothing of what follows from it is done.
        if dies { Err(Died) } else { Ok(AppendOutcome::Appended) }
    }

    fn renew(&mut self, _: OffsetDateTime) -> Result<(), Self::Error> {
        Ok(())
    }

    fn progress(&mut self, _: OffsetDateTime, _: &HostName, _: HostProgress) {}

    fn stop_requested(&mut self) {}
}
