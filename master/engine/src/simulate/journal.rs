//! What a simulated master has stored. It outlives the process, and says when that dies.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::simulate::names::date;
use crate::simulate::network::Time;
use crate::{Event, Plan, State, fold};

/// The events of one rollout.
pub(super) struct Journal {
    plan: Arc<Plan>,
    planned_at: OffsetDateTime,
    /// How many were stored.
    pub(super) length: u64,
    /// The events themselves; absent where they are never read.
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

    /// The events after the first so many.
    pub(super) fn since(&self, events: u64) -> Vec<(OffsetDateTime, Event)> {
        let known = usize::try_from(events).unwrap_or(usize::MAX);
        let stored = self.events.as_deref().unwrap_or_default();
        stored.get(known..).unwrap_or_default().to_vec()
    }

    /// Adds an event, whichever process it comes from.
    pub(super) fn add(&mut self, time: OffsetDateTime, event: &Event) {
        if let Some(events) = &mut self.events {
            events.push((time, event.clone()));
        }
        self.length += 1;
    }

    /// Whether the process that has just stored an event dies there. The state is remembered, to
    /// be compared with what the next process reads.
    pub(super) fn dies(&mut self, state: &State) -> bool {
        let dies = self.deaths.pop_if(|count| *count <= self.length).is_some();
        if dies {
            self.last = Some((self.length, state.clone()));
        }
        dies
    }
}
