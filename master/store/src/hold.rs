//! Hosts that are held: they stay out of every rollout, and the operator said why.

use protocol::HostName;
use rusqlite::params;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::column::{Json, Text};
use crate::{Event, EventType, Host, Store, StoreError, event};

/// Why, by whom and how long a host is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub because: String,
    pub who: String,
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// When it ends by itself.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub until: Option<OffsetDateTime>,
}

impl Store {
    /// Holds a host, in place of how it was held before.
    pub fn hold(&self, name: &HostName, hold: &Hold, event: &Event) -> Result<(), StoreError> {
        if self.host(name)?.decommissioned_at.is_some() {
            return Err(StoreError::Decommissioned(name.clone()));
        }
        self.write(|transaction| {
            let sql = "UPDATE hosts SET held = ?2 WHERE name = ?1";
            transaction.execute(sql, params![Text(name), Json(hold)])?;
            event::insert(transaction, event)
        })
    }

    /// Lets all hosts go whose hold ended by itself. Their events say that nobody else did.
    pub fn end_holds(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let ended = |host: &Host| {
            host.held.as_ref().and_then(|hold| hold.until).is_some_and(|until| until <= now)
        };
        for host in self.hosts()?.into_iter().filter(ended) {
            let name = Some(host.name.clone());
            let event = Event { host: name, ..Event::new(EventType::HostUnheld, now, "swarm") };
            self.unhold(&host.name, &event)?;
        }
        Ok(())
    }

    /// Lets a host go; false if it was not held.
    pub fn unhold(&self, name: &HostName, event: &Event) -> Result<bool, StoreError> {
        self.host(name)?;
        self.write(|transaction| {
            let sql = "UPDATE hosts SET held = NULL WHERE name = ?1 AND held IS NOT NULL";
            let held = transaction.execute(sql, [Text(name)])? == 1;
            if held {
                event::insert(transaction, event)?;
            }
            Ok(held)
        })
    }
}
