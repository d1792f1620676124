//! Events: who did what, when, with what result. They are only ever added.

use engine::{Notice, NoticeBody};
use protocol::{Digest, HostName};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
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
    /// An operator ended it.
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
    /// What became of a host's order is not known: it may go on there.
    HostUnclear = "host.unclear";
    /// A host is back on what it ran before.
    HostRolledBack = "host.rolled_back";
    /// A host runs something else than it should.
    HostDrifted = "host.drifted";
    /// A host tried on itself that updates work.
    HostDrilled = "host.drilled";
    /// Something was done on a host itself. Never kept here: the host has it.
    HostOperated = "host.operated";
    /// A host joined the fleet.
    HostEnrolled = "host.enrolled";
    /// Where a host is reached, or what is noted of it, changed.
    HostChanged = "host.changed";
    /// A host is kept out of rollouts.
    HostHeld = "host.held";
    /// It takes part again.
    HostUnheld = "host.unheld";
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
    /// A release failed on a host: it is not to be sent anywhere.
    ReleaseQuarantined = "release.quarantined";
    ReleaseForgiven = "release.forgiven";
    /// The CA and the store were made.
    MasterInitialised = "master.initialised";
    /// It got a new certificate of its own.
    MasterRenewed = "master.renewed";
    /// A release is not kept any more.
    ReleaseRemoved = "release.removed";
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

impl Event {
    /// What is told of a rollout, as the history has it.
    pub fn of_rollout(
        rollout: RolloutId,
        notice: &Notice,
        time: OffsetDateTime,
        who: &str,
    ) -> Self {
        // Notices are plain data: they always have a form.
        let mut form = serde_json::to_value(&notice.body).unwrap_or_default();
        Self {
            rollout: Some(rollout),
            host: notice.host.clone(),
            release: notice.release,
            data: form.get_mut("data").map(Value::take).unwrap_or_default(),
            ..Self::new(EventType::of(&notice.body), time, who)
        }
    }

    /// What was told of a rollout, if this is an event of one, and not of a newer swarm's making.
    pub fn notice(&self) -> Option<Notice> {
        let form = json!({"type": self.kind, "data": self.data});
        let body = serde_json::from_value(form).ok()?;
        Some(Notice { host: self.host.clone(), release: self.release, body })
    }
}

impl EventType {
    /// The type of what is told of a rollout.
    pub const fn of(body: &NoticeBody) -> Self {
        match body {
            NoticeBody::Planned { .. } => Self::RolloutPlanned,
            NoticeBody::Approved { .. } => Self::RolloutApproved,
            NoticeBody::Started { .. } => Self::RolloutStarted,
            NoticeBody::BatchStarted { .. } => Self::RolloutBatchStarted,
            NoticeBody::BatchCompleted { .. } => Self::RolloutBatchCompleted,
            NoticeBody::Tripped { .. } => Self::RolloutTripped,
            NoticeBody::Paused(_) => Self::RolloutPaused,
            NoticeBody::Resumed { .. } => Self::RolloutResumed,
            NoticeBody::RollingBack => Self::RolloutRollingBack,
            NoticeBody::Completed { .. } => Self::RolloutCompleted,
            NoticeBody::Aborted { .. } => Self::RolloutAborted,
            NoticeBody::RolledBack => Self::RolloutRolledBack,
            NoticeBody::HostPhase(_) => Self::HostPhase,
            NoticeBody::HostProgress { .. } => Self::HostProgress,
            NoticeBody::HostUpdated(_) => Self::HostUpdated,
            NoticeBody::HostFailed(_) => Self::HostFailed,
            NoticeBody::HostUnclear(_) => Self::HostUnclear,
            NoticeBody::HostRolledBack(_) => Self::HostRolledBack,
            NoticeBody::ReleaseQuarantined { .. } => Self::ReleaseQuarantined,
            NoticeBody::ReleaseForgiven { .. } => Self::ReleaseForgiven,
        }
    }
}

/// Which events are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Events<'a> {
    All,
    /// Those of a host.
    Host(&'a HostName),
    /// Those of a host, but for the phases that its transactions went through.
    HostOperations(&'a HostName),
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
            Events::HostOperations(name) => {
                ("host = ?1 AND type <> 'host.phase'", Some(name.to_string()))
            }
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

    /// The last `limit` events of these kinds, the oldest of them first.
    pub fn events_of(&self, kinds: &[EventType], limit: u32) -> Result<Vec<Event>, StoreError> {
        let names: Vec<_> = kinds.iter().map(|kind| format!("'{}'", kind.name())).collect();
        let connection = self.connection();
        let mut statement = connection.prepare(&format!(
            "SELECT * FROM (SELECT * FROM events WHERE type IN ({}) ORDER BY sequence DESC LIMIT ?1)
             ORDER BY sequence",
            names.join(", ")
        ))?;
        let events = statement.query_map([limit], read)?;
        Ok(events.collect::<Result<_, _>>()?)
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
