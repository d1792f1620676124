//! `swarm show` and `swarm label`: all that is known of a host, without asking it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use control::fleet::CheckedHost;
use control::hosts::Enrolled;
use protocol::HostName;
use serde::Serialize;
use store::{Certificate, Desired, Event, EventType, Events, Hold, Host, Store, StoreError};
use time::OffsetDateTime;

/// How many of a host's last events are told.
const RECENT: u32 = 10;

/// A host, as the store has it. Its name stands under `host`, as in every other document, and under `name`.
#[derive(Debug, Serialize)]
pub struct HostRecord<'a> {
    host: &'a HostName,
    #[serde(flatten)]
    record: &'a Host,
}

impl<'a> HostRecord<'a> {
    /// The record of a host.
    pub const fn of(record: &'a Host) -> Self {
        Self { host: &record.name, record }
    }
}

/// A host that was enrolled, or whose certificates were renewed.
#[derive(Debug, Serialize)]
pub struct EnrolledDocument<'a> {
    host: HostRecord<'a>,
    certificates: &'a [Certificate],
    /// The files that were written.
    files: &'a [PathBuf],
}

impl<'a> EnrolledDocument<'a> {
    /// What an enrolment came to.
    pub fn of(enrolled: &'a Enrolled) -> Self {
        let Enrolled { host, certificates, files } = enrolled;
        Self { host: HostRecord::of(host), certificates, files }
    }
}

/// A host, as the store has it, and what belongs to it.
#[derive(Debug, Serialize)]
pub struct HostDocument {
    #[serde(rename = "host")]
    pub name: HostName,
    #[serde(flatten)]
    pub host: Host,
    pub certificates: Vec<Certificate>,
    /// What it should run.
    pub desired: Vec<DesiredRelease>,
    /// The last drill that was asked for here.
    pub drill: Option<Event>,
    /// Its last events, the oldest of them first.
    pub recent: Vec<Event>,
}

impl HostDocument {
    /// Reads it.
    pub fn read(store: &Store, host: &HostName) -> Result<Self, StoreError> {
        Ok(Self {
            name: host.clone(),
            host: store.host(host)?,
            certificates: store.certificates(host)?,
            desired: desired(store, host)?,
            drill: store.last_event(host, EventType::HostDrilled)?,
            recent: store.events(Events::Host(host), RECENT)?,
        })
    }
}

/// What an app of a host should run.
#[derive(Debug, Serialize)]
pub struct DesiredRelease {
    #[serde(flatten)]
    pub desired: Desired,
    /// The release's version, where this master knows it.
    pub version: Option<String>,
}

fn desired(store: &Store, host: &HostName) -> Result<Vec<DesiredRelease>, StoreError> {
    let with_version = |desired: Desired| {
        let version = store.release(&desired.digest)?.and_then(|release| release.version);
        Ok(DesiredRelease { desired, version })
    };
    store.desired(host)?.into_iter().map(with_version).collect()
}

/// A host that was asked, and until when the certificate of the master holds that asked it.
#[derive(Debug, Serialize)]
pub struct CheckDocument<'a> {
    #[serde(flatten)]
    pub checked: &'a CheckedHost,
    #[serde(with = "time::serde::rfc3339")]
    pub master_certificate_until: OffsetDateTime,
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
