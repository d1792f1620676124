//! One host's record.

use std::collections::BTreeMap;

use pki::Fingerprint;
use protocol::HostName;
use serde::Serialize;
use time::OffsetDateTime;

use crate::{Address, Hold};

/// A host of the fleet, as the store has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Its name: that of its certificates, and what is dialled as the server's name.
    pub name: HostName,
    /// Where it is reached.
    pub address: Address,
    /// Whether it was enrolled with an updater. One without can be listed, and not updated.
    pub has_updater: bool,
    /// Where its updater listens.
    pub updater_port: u16,
    /// Where its agent listens.
    pub agent_port: Option<u16>,
    /// Further names and addresses in its certificates.
    pub sans: Vec<String>,
    /// What selections can ask for.
    pub labels: BTreeMap<String, String>,
    /// The updater's certificates that are taken.
    pub pinned: Pinned,
    /// When it was enrolled.
    #[serde(with = "time::serde::rfc3339")]
    pub enrolled_at: OffsetDateTime,
    /// When it was decommissioned: it is not addressed any more.
    #[serde(with = "time::serde::rfc3339::option")]
    pub decommissioned_at: Option<OffsetDateTime>,
    /// The operator's own words.
    pub notes: Option<String>,
    /// Whether it is kept out of every rollout, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Hold>,
}

/// SHA-256 fingerprints (of the DER form) of the updater's certificates. All are good while a certificate
/// is renewed; a host with none is refused. Once the host shows one of them, those that were issued before
/// it are not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pinned {
    /// The one in use.
    pub current: Option<Fingerprint>,
    /// The one that was issued and not yet seen.
    pub next: Option<Fingerprint>,
    /// Those that were issued between these two, the newest first: any of them may have been brought to
    /// the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub between: Vec<Fingerprint>,
}

impl Pinned {
    /// All that are good.
    pub fn all(&self) -> impl Iterator<Item = &Fingerprint> {
        self.current.iter().chain(&self.next).chain(&self.between)
    }
}

impl Host {
    /// Where its updater is reached: `address:port`.
    pub fn updater(&self) -> String {
        self.address.with_port(self.updater_port)
    }
}
