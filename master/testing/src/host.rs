//! Hosts for tests.

use pki::Fingerprint;
use protocol::parse_label;
use store::{Host, Pinned};

use crate::at;

/// A host with an updater.
pub fn host(name: &str, labels: &[&str]) -> Host {
    let fingerprint: Fingerprint = "ab".repeat(32).parse().unwrap();
    Host {
        name: name.parse().unwrap(),
        address: "10.0.0.11".parse().unwrap(),
        has_updater: true,
        updater_port: 8766,
        agent_port: None,
        sans: Vec::new(),
        labels: labels.iter().map(|label| parse_label(label).unwrap()).collect(),
        pinned: Pinned { current: Some(fingerprint), ..Pinned::default() },
        enrolled_at: at(0),
        decommissioned_at: None,
        notes: None,
        held: None,
    }
}
