//! Events: who did what, when, with what result. They are only ever added.

use protocol::{Digest, HostName};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::column::{Json, Stamp, Text};
use crate::{RolloutId, Store, StoreError};

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// What happened. The names are on the wire and in the history.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventType {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl EventType {
            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

event_types! {
    /// A rollout was planned.
    RolloutPlanned = "rollout.planned";
    RolloutApproved = "rollout.approved";
    RolloutStarted = "rollout.started";
    /// It went on to a batch.
    RolloutBatchStarted = "rollout.batch_started";
    /// A batch is through.
    RolloutBatchCompleted = "rollout.batch_completed";
    /// Too many hosts failed.
    RolloutTripped = "rollout.circuit_breaker_tripped";
    /// It waits for a decision.
    RolloutPaused = "rollout.paused";
    RolloutResumed = "rollout.resumed";
    /// It ended; the data say how.
    RolloutCompleted = "rollout.completed";
    /// It was ended by somebody.
    RolloutAborted = "rollout.aborted";
    /// It takes back what it did.
    RolloutRollingBack = "rollout.rolling_back";
    /// Its hosts run again what they ran before.
    RolloutRolledBack = "rollout.rolled_back";
    /// A host's transaction entered a phase.
    HostPhase = "host.phase";
    /// Bytes went to a host. Never kept in the history.
    HostProgress = "host.progress";
    /// A host runs the release.
    HostUpdated = "host.updated";
    /// A host does not, and the data say why.
    HostFailed = "host.failed";
    /// A host is back on what it ran before.
    HostRolledBack = "host.rolled_back";
    /// A host runs something else than it should.
    HostDrifted = "host.drifted";
    /// A host tried on itself that updates work.
    HostDrilled = "host.drilled";
    /// A host joined the fleet.
    HostEnrolled = "host.enrolled";
    /// A host's labels changed.
    HostLabelled = "host.labelled";
    /// A host got a new certificate.
    HostRenewed = "host.renewed";
    /// A host's certificate is not good any more.
    HostRevoked = "host.revoked";
    /// A host left the fleet.
    HostDecommissioned = "host.decommissioned";
    /// A release became known.
    ReleaseAdded = "release.added";
    /// A channel names another release.
    ReleasePromoted = "release.promoted";
    /// A release failed on a host: nobody is to send it anywhere.
    ReleaseQuarantined = "release.quarantined";
    ReleaseForgiven = "release.forgiven";
    /// The CA and the store were made.
    MasterInitialised = "master.initialised";
    /// The epoch was raised.
    MasterTookOver = "master.took_over";
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its name, a UUID of version 7.
    pub id: Uuid,
    #[serde(rename = "type")]
    pub kind: EventType,
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    pub who: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Digest>,
    /// The rest: an object.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

impl Event {
    /// An event about nothing in particular; the fields are filled in with struct update syntax.
    pub fn new(kind: EventType, time: OffsetDateTime, who: &str) -> Self {
        Self {
            id: Uuid::now_v7(),
            kind,
            time,
            who: who.to_owned(),
            rollout: None,
            host: None,
            release: None,
            data: Value::Null,
        }
    }
}

/// Which events are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Events<'a> {
    All,
    /// Those of a host.
    Host(&'a HostName),
    /// Those of a rollout.
    Rollout(RolloutId),
}

/// An event's place among all of them.
pub type Sequence = i64;

impl Store {
    /// Adds an event. It is on the disk when this returns.
    pub fn record_event(&self, event: &Event) -> Result<(), StoreError> {
        self.write(|transaction| insert(transaction, event))
    }

    /// The last `limit` events, the oldest of them first.
    pub fn events(&self, which: Events<'_>, limit: u32) -> Result<Vec<Event>, StoreError> {
        let (filter, value) = match which {
            Events::All => ("?1 IS NULL", None),
            Events::Host(name) => ("host = ?1", Some(name.to_string())),
            Events::Rollout(id) => ("rollout = ?1", Some(id.to_string())),
        };
        let connection = self.connection();
        let mut statement = connection.prepare(&format!(
            "SELECT * FROM (SELECT * FROM events WHERE {filter} ORDER BY sequence DESC LIMIT ?2)
             ORDER BY sequence"
        ))?;
        let events = statement.query_map(params![value, limit], read)?;
        Ok(events.collect::<Result<_, _>>()?)
    }
}

impl Store {
    /// The last event of a kind on a host.
    pub fn last_event(
        &self,
        host: &HostName,
        kind: EventType,
    ) -> Result<Option<Event>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT * FROM events WHERE host = ?1 AND type = ?2 ORDER BY sequence DESC LIMIT 1",
        )?;
        let event = statement.query_row(params![host.as_str(), Text(kind)], read).optional()?;
        Ok(event)
    }

    /// The events of a rollout after this one, each with its place.
    pub fn events_after(
        &self,
        rollout: RolloutId,
        after: Sequence,
    ) -> Result<Vec<(Sequence, Event)>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT * FROM events WHERE rollout = ?1 AND sequence > ?2 ORDER BY sequence",
        )?;
        let place = |row: &Row<'_>| Ok((row.get("sequence")?, read(row)?));
        let events = statement.query_map(params![Text(rollout), after], place)?;
        Ok(events.collect::<Result<_, _>>()?)
    }
}

pub(super) fn insert(transaction: &Transaction<'_>, event: &Event) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO events (id, type, time, who, rollout, host, release, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            Text(event.id),
            Text(event.kind),
            Stamp(event.time),
            event.who,
            event.rollout.map(Text),
            event.host.as_ref().map(Text),
            event.release.map(Text),
            Json(&event.data),
        ],
    )?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        id: row.get::<_, Text<_>>("id")?.0,
        kind: row.get::<_, Text<_>>("type")?.0,
        time: row.get::<_, Stamp>("time")?.0,
        who: row.get("who")?,
        rollout: row.get::<_, Option<Text<_>>>("rollout")?.map(|text| text.0),
        host: row.get::<_, Option<Text<_>>>("host")?.map(|text| text.0),
        release: row.get::<_, Option<Text<_>>>("release")?.map(|text| text.0),
        data: row.get::<_, Json<_>>("data")?.0,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{at, path_and_store};

    #[test]
    fn the_last_events_come_in_the_order_in_which_they_were_recorded() {
        let (_directory, store) = path_and_store();
        let host: HostName = "web-1".parse().unwrap();
        let rollout = RolloutId::new();
        let event = |kind, seconds, host: Option<&HostName>, rollout| Event {
            host: host.cloned(),
            rollout,
            release: Some(Digest::from_bytes([7; 32])),
            data: json!({"seconds": seconds}),
            ..Event::new(kind, at(seconds), "ada")
        };
        let events = [
            event(EventType::RolloutStarted, 3, None, Some(rollout)),
            event(EventType::HostUpdated, 2, Some(&host), Some(rollout)),
            event(EventType::HostDrifted, 1, Some(&host), None),
        ];
        for event in &events {
            store.record_event(event).unwrap();
        }
        assert_eq!(store.events(Events::All, 2).unwrap(), events[1..]);
        assert_eq!(store.events(Events::Host(&host), 9).unwrap(), events[1..]);
        assert_eq!(store.events(Events::Rollout(rollout), 9).unwrap(), events[..2]);
    }

    #[test]
    fn an_event_has_one_form_on_every_wire() {
        let id = "019a5c26-0000-7000-8000-000000000001";
        let event = Event {
            id: id.parse().unwrap(),
            host: Some("web-1".parse().unwrap()),
            ..Event::new(EventType::HostEnrolled, at(0), "ada")
        };
        let text = serde_json::to_string(&event).unwrap();
        insta::assert_snapshot!(text, @r#"{"id":"019a5c26-0000-7000-8000-000000000001","type":"host.enrolled","time":"2026-01-02T03:04:05Z","who":"ada","host":"web-1"}"#);
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}
