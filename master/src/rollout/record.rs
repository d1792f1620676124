//! What is written down of a rollout, before it is shown.

use protocol::{HostOutcome, Phase};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::rollout::told::Told;
use crate::rollout::{Order, Row, Summary};
use crate::store::{Desired, Event, EventType, Rollout, RolloutResult, Store, StoreError};

/// Writes a rollout down.
pub(super) struct Recorder<'a> {
    pub(super) store: &'a Store,
    pub(super) order: &'a Order,
    pub(super) who: &'a str,
    pub(super) now: fn() -> OffsetDateTime,
}

impl Recorder<'_> {
    /// Before the first host is asked anything.
    pub(super) fn begin(
        &self,
        selection: &str,
        epoch: u64,
        hosts: usize,
    ) -> Result<Event, StoreError> {
        let policy = json!({
            "parallel": self.order.parallel,
            "options": self.order.options,
            "include_self": self.order.own.as_ref().map(|own| own.digest),
        });
        let started_at = (self.now)();
        self.store.start_rollout(&Rollout {
            id: self.order.id,
            kind: self.order.goal.kind(),
            app: self.order.app.clone(),
            release: self.order.goal.target(),
            selection: selection.to_owned(),
            who: self.who.to_owned(),
            epoch,
            policy,
            started_at,
            finished_at: None,
            result: None,
        })?;
        let data = json!({"kind": self.order.goal.kind(), "selection": selection, "hosts": hosts});
        let release = self.order.goal.target();
        self.keep(Event { release, data, ..self.event(EventType::RolloutStarted) })
    }

    /// What a host told. The event is given back to be shown; progress is not kept, and what is
    /// no event of the history gives none.
    pub(super) fn told(&self, told: &Told) -> Result<Option<Event>, StoreError> {
        let release = self.order.goal.target();
        match told {
            Told::Ordered { host, release } => {
                self.store.set_desired(&Desired {
                    host: host.clone(),
                    app: self.order.app.clone(),
                    digest: *release,
                    rollout: Some(self.order.id),
                    since: (self.now)(),
                })?;
                Ok(None)
            }
            Told::Phase { phase: Phase::Idle, .. } => Ok(None),
            Told::Phase { host, phase, detail } => {
                let host = Some(host.clone());
                let data = json!({"phase": phase, "detail": detail});
                let event = Event { host, release, data, ..self.event(EventType::HostPhase) };
                self.keep(event).map(Some)
            }
            Told::Own { host } => {
                let host = Some(host.clone());
                let data = json!({"phase": "updating", "app": protocol::SELF_APP});
                let event = Event { host, data, ..self.event(EventType::HostPhase) };
                self.keep(event).map(Some)
            }
            Told::Progress { host, bytes, total } => {
                let host = Some(host.clone());
                let data = json!({"bytes": bytes, "total": total});
                Ok(Some(Event { host, release, data, ..self.event(EventType::HostProgress) }))
            }
            Told::Done(row) => {
                self.store.record_host_result(self.order.id, &row.stored())?;
                let Some(kind) = event_of(row.outcome) else { return Ok(None) };
                let host = Some(row.host.clone());
                let event = Event { host, release: row.to, data: data(row), ..self.event(kind) };
                self.keep(event).map(Some)
            }
        }
    }

    /// After the last row.
    pub(super) fn end(&self, summary: &Summary) -> Result<Event, StoreError> {
        self.store.finish_rollout(self.order.id, summary.result, (self.now)())?;
        let kind = match summary.result {
            RolloutResult::Interrupted => EventType::RolloutAborted,
            RolloutResult::Completed | RolloutResult::Failed => EventType::RolloutCompleted,
        };
        let data = json!({"result": summary.result});
        let release = self.order.goal.target();
        self.keep(Event { release, data, ..self.event(kind) })
    }

    fn event(&self, kind: EventType) -> Event {
        let rollout = Some(self.order.id);
        Event { rollout, ..Event::new(kind, (self.now)(), self.who) }
    }

    fn keep(&self, event: Event) -> Result<Event, StoreError> {
        self.store.record_event(&event)?;
        Ok(event)
    }
}

fn event_of(outcome: HostOutcome) -> Option<EventType> {
    match outcome {
        HostOutcome::Updated | HostOutcome::AlreadyCurrent => Some(EventType::HostUpdated),
        HostOutcome::RolledBack => Some(EventType::HostRolledBack),
        HostOutcome::Failed | HostOutcome::Unreachable | HostOutcome::Stranded => {
            Some(EventType::HostFailed)
        }
        HostOutcome::Skipped => None,
    }
}

fn data(row: &Row) -> Value {
    serde_json::to_value(row).unwrap_or_default()
}
