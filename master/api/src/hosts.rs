//! `swarm show` and `swarm label`: all that is known of a host, without asking it.

use std::collections::BTreeMap;

use protocol::HostName;
use serde::Serialize;
use store::{Certificate, Desired, Event, EventType, Events, Hold, Host, Store, StoreError};

/// How many of a host's last events are told.
const RECENT: u32 = 10;

/// A host, as the store has it, and what belongs to it.
#[derive(Debug, Serialize)]
pub struct HostDocument {
    #[serde(flatten)]
    pub host: Host,
    pub certificates: Vec<Certificate>,
    /// What it should run.
    pub desired: Vec<Desired>,
    /// The last drill that was asked for here.
    pub drill: Option<Event>,
    /// Its last events, the oldest of them first.
    pub recent: Vec<Event>,
}

impl HostDocument {
    /// Reads it.
    pub fn read(store: &Store, host: &HostName) -> Result<Self, StoreError> {
        Ok(Self {
            host: store.host(host)?,
            certificates: store.certificates(host)?,
            desired: store.desired(host)?,
            drill: store.last_event(host, EventType::HostDrilled)?,
            recent: store.events(Events::Host(host), RECENT)?,
        })
    }
}

/// Whether a host is kept out of rollouts, and why.
#[derive(Debug, Serialize)]
pub struct HeldDocument<'a> {
    pub host: &'a HostName,
    pub held: Option<&'a Hold>,
}

/// The labels that a host has now.
#[derive(Debug, Serialize)]
pub struct LabelsDocument {
    pub host: HostName,
    pub labels: BTreeMap<String, String>,
}
