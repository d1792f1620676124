//! What a simulated master has stored. It outlives the process, and says when that dies.

use std::sync::Arc;

use protocol::HostName;
use time::OffsetDateTime;

use crate::simulate::names::date;
use crate::simulate::network::Time;
use crate::simulate::scene::Shared;
use crate::{AppendOutcome, Event, Ledger, Plan, State, Step, fold};

/// The events of one rollout.
pub(super) struct Journal {
    plan: Arc<Plan>,
    planned_at: OffsetDateTime,
    /// How many were stored.
    pub(super) length: u64,
    /// The events themselves; absent where nobody is ever going to read them.
    events: Option<Vec<(OffsetDateTime, Event)>>,
    /// After so many stored events the process dies, the next one last.
    deaths: Vec<u64>,
    /// The state when it did, after so many.
    last: Option<(u64, State)>,
}

impl Journal {
    pub(super) fn new(plan: Arc<Plan>, mut deaths: Vec<u64>, read: bool, now: Time) -> Self {
        deaths.sort_unstable_by(|one, other| other.cmp(one));
        let events = read.then(Vec::new);
        Self { plan, planned_at: date(now), length: 0, events, deaths, last: None }
    }

    /// The state that the first so many events make.
    pub(super) fn state(&self, events: Option<u64>) -> State {
        let count = usize::try_from(events.unwrap_or(self.length)).unwrap_or(usize::MAX);
        let stored = self.events.iter().flatten().take(count).cloned();
        fold(Arc::clone(&self.plan), self.planned_at, stored)
    }

    /// Whether what was stored makes the state in which the process died.
    pub(super) fn is_whole(&mut self) -> bool {
        self.last.take().is_none_or(|(length, last)| last == self.state(Some(length)))
    }

    /// Adds an event, by whomever.
    pub(super) fn add(&mut self, time: OffsetDateTime, event: &Event) {
        if let Some(events) = &mut self.events {
            events.push((time, event.clone()));
        }
        self.length += 1;
    }
}

/// The process has died right after it stored an event.
#[derive(Debug)]
pub(super) struct Died;

/// The ledger of one process, which stands by as long as nobody else has taken over.
pub(super) struct Book {
    pub(super) scene: Shared,
    pub(super) rollout: usize,
}

impl Ledger for Book {
    type Error = Died;

    fn read(&mut self, events: Option<u64>) -> Result<(State, u64), Self::Error> {
        let scene = self.scene.borrow();
        let journal = &scene.rollouts[self.rollout].journal;
        Ok((journal.state(events), events.unwrap_or(journal.length)))
    }

    fn since(&mut self, events: u64) -> Result<Vec<(OffsetDateTime, Event)>, Self::Error> {
        let scene = self.scene.borrow();
        let journal = &scene.rollouts[self.rollout].journal;
        let known = usize::try_from(events).unwrap_or(usize::MAX);
        let stored = journal.events.as_deref().unwrap_or_default();
        Ok(stored.get(known..).unwrap_or_default().to_vec())
    }

    fn keep(&mut self, after: u64, step: &Step<'_>) -> Result<AppendOutcome, Self::Error> {
        let mut scene = self.scene.borrow_mut();
        let journal = &mut scene.rollouts[self.rollout].journal;
        if journal.length != after {
            return Ok(AppendOutcome::Behind);
        }
        journal.add(step.time, step.event);
        let dies = journal.deaths.pop_if(|count| *count <= journal.length).is_some();
        if dies {
            journal.last = Some((journal.length, step.state.clone()));
        }
        scene.stepped(self.rollout, step.state);
        // It is stored, and nothing of what follows from it is done.
        if dies { Err(Died) } else { Ok(AppendOutcome::Yes) }
    }

    fn renew(&mut self, _: OffsetDateTime) -> Result<(), Self::Error> {
        Ok(())
    }

    fn progress(&mut self, _: OffsetDateTime, _: &HostName, _: u64, _: u64) {}

    fn stopping(&mut self) {}
}
