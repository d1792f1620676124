//! A rollout's ledger in the store. An observer is told of what is kept.

use std::sync::Arc;

use engine::{AppendOutcome, Event, HostProgress, Ledger, Notice, State, Step, fold, step};
use protocol::HostName;
use store::{
    Appended, Event as StoredEvent, Lease, Position, Rollout, RolloutId, Sequence, Store,
    StoreError,
};
use time::OffsetDateTime;

use crate::notify::Notifier;
use crate::rollout::history::entry;
use crate::rollout::process::CrashPoint;
use crate::rollout::record::{Record, parse};
use crate::rollout::{Observer, RolloutError};

/// The ledger of the process that holds the lease.
pub(super) struct StoreLedger<'a> {
    pub(super) store: &'a Store,
    pub(super) lease: Lease,
    pub(super) record: Record,
    pub(super) observer: &'a dyn Observer,
    pub(super) notifier: Notifier,
    /// The last of the events that were shown.
    pub(super) shown: Sequence,
    pub(super) crash_point: CrashPoint,
}

impl Record {
    /// The state after the first `events` events, or after all, and how many they were.
    pub(super) fn state(
        &self,
        store: &Store,
        events: Option<u64>,
    ) -> Result<(State, u64), RolloutError> {
        let mut read = read(store, &self.rollout, 0)?;
        if let Some(events) = events.and_then(|events| usize::try_from(events).ok()) {
            read.truncate(events);
        }
        let count = read.len() as u64;
        Ok((fold(Arc::clone(&self.plan), self.rollout.started_at, read), count))
    }

    /// Adds what an operator asks for from a process that does not drive. `check` says whether it may be added to the
    /// rollout as it stands then; gives back the state after it.
    pub(super) fn add(
        &self,
        store: &Store,
        event: &Event,
        now: OffsetDateTime,
        check: impl Fn(&State) -> Result<(), RolloutError>,
    ) -> Result<State, RolloutError> {
        loop {
            let (state, after) = self.state(store, None)?;
            check(&state)?;
            let (state, commands) = step(state, event.clone(), now);
            let kept = Step { time: now, event, commands: &commands, state: &state };
            let position = Position { rollout: self.rollout.id, after, lease: None };
            match store.append(position, &entry(self, &kept))? {
                Appended::Done(_) => return Ok(state),
                Appended::Behind | Appended::LeaseLost => {}
            }
        }
    }
}

impl Ledger for StoreLedger<'_> {
    type Error = RolloutError;

    fn read(&mut self, events: Option<u64>) -> Result<(State, u64), RolloutError> {
        let read = self.record.state(self.store, events)?;
        self.observer.stands(&read.0);
        Ok(read)
    }

    fn events_after(&mut self, events: u64) -> Result<Vec<(OffsetDateTime, Event)>, RolloutError> {
        let read = read(self.store, &self.record.rollout, events)?;
        if !read.is_empty() {
            for (sequence, told) in self.store.events_after(self.record.rollout.id, self.shown)? {
                self.observer.happened(&told);
                self.notifier.notify(&told);
                self.shown = sequence;
            }
        }
        for (time, event) in &read {
            self.observer.kept(event, *time);
        }
        Ok(read)
    }

    fn append(&mut self, after: u64, step: &Step<'_>) -> Result<AppendOutcome, RolloutError> {
        let rollout = self.record.rollout.id;
        let entry = entry(&self.record, step);
        let position = Position { rollout, after, lease: Some(&self.lease) };
        let appended = self.store.append(position, &entry);
        match appended.map_err(|source| cut_short(rollout, step, source))? {
            Appended::Done(sequence) => {
                self.crash_point.kept_event();
                self.shown = self.shown.max(sequence);
                self.observer.kept(step.event, step.time);
                for told in &entry.told {
                    self.observer.happened(told);
                    self.notifier.notify(told);
                }
                Ok(AppendOutcome::Appended)
            }
            Appended::Behind => Ok(AppendOutcome::Behind),
            Appended::LeaseLost => Err(RolloutError::LeaseLost(rollout)),
        }
    }

    fn renew(&mut self, now: OffsetDateTime) -> Result<(), RolloutError> {
        if self.store.renew_lease(&self.lease, now)? {
            return Ok(());
        }
        Err(RolloutError::LeaseLost(self.record.rollout.id))
    }

    fn progress(&mut self, now: OffsetDateTime, host: &HostName, progress: HostProgress) {
        let Record { rollout, plan, .. } = &self.record;
        match progress {
            HostProgress::Sent { bytes, total } => {
                let notice = Notice::progress(plan, host, bytes, total);
                let event = StoredEvent::of_rollout(rollout.id, &notice, now, &rollout.who);
                self.observer.happened(&event);
            }
            HostProgress::Probed { attempt, passed } => {
                self.observer.probed(host, attempt, passed);
            }
        }
    }

    fn stop_requested(&mut self) {
        self.observer.stopping();
    }
}

/// What goes on while nothing can be written down any more.
fn cut_short(rollout: RolloutId, step: &Step<'_>, source: StoreError) -> RolloutError {
    let hosts = step.state.hosts().filter(|(_, host)| host.activity.is_under_way());
    let words: Vec<_> =
        hosts.map(|(planned, host)| format!("{} ({})", planned.host, host.name())).collect();
    let under_way = match words.len() {
        0 => "no host is under way".to_owned(),
        1 => format!("it goes on at {}", words[0]),
        _ => format!("it goes on at {}", words.join(", ")),
    };
    RolloutError::CutShort { rollout, under_way, source }
}

fn read(
    store: &Store,
    rollout: &Rollout,
    after: u64,
) -> Result<Vec<(OffsetDateTime, Event)>, RolloutError> {
    let entries = store.journal(rollout.id, after)?;
    entries.into_iter().map(|(time, event)| Ok((time, parse(event)?))).collect()
}

/// The last event of a rollout that was told before.
pub(super) fn last_shown(store: &Store, rollout: &Rollout) -> Result<Sequence, StoreError> {
    let told = store.events_after(rollout.id, 0)?;
    Ok(told.last().map_or(0, |(sequence, _)| *sequence))
}
