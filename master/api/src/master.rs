//! `swarm init`: the master itself.

use control::home::Home;
use control::init::Initialised;
use pki::Fingerprint;
use protocol::HostName;
use serde::Serialize;

/// A master that is there now.
#[derive(Debug, Serialize)]
pub struct MasterDocument<'a> {
    /// Whether it was made just now.
    created: bool,
    home: String,
    fleet: &'a str,
    ca_fingerprint: Fingerprint,
    epoch: u64,
}

impl<'a> MasterDocument<'a> {
    /// The master in `home`.
    pub fn of(master: &'a Initialised, home: &Home) -> Self {
        Self {
            created: master.created,
            home: home.root().display().to_string(),
            fleet: master.fleet.as_str(),
            ca_fingerprint: master.fingerprint,
            epoch: master.epoch,
        }
    }
}

/// The epoch of a master that took over.
#[derive(Debug, Serialize)]
pub struct EpochDocument<'a> {
    pub epoch: u64,
    /// The highest epoch that a host has seen; absent where none could be asked.
    pub seen: Option<u64>,
    /// Hosts that did not say what they have seen.
    pub silent: &'a [HostName],
    /// Hosts that have said what no master can have come to, and were left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub impossible: Vec<HostName>,
}
