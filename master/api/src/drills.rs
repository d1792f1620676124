//! `swarm drill`: a line for each step, and one at the end.

use control::fleet::HostDrill;
use protocol::{DrillStep, HostName};
use serde::Serialize;

/// A step of a host's drill is over.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "drill.step")]
pub struct DrillStepLine<'a> {
    pub host: &'a HostName,
    pub step: &'a DrillStep,
}

/// All drills are over.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "drill.summary")]
pub struct DrillSummary<'a> {
    pub hosts: &'a [HostDrill],
}
