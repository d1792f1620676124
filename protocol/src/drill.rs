//! A drill: a release is installed, killed, recovered and taken back on the real machine, in a
//! scratch app beside the real ones.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{AppName, CallerKind, Code};

/// One line of the answer to `POST /drill`, told apart by `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DrillLine {
    /// A step is over.
    Step(DrillStep),
    /// The drill is; always the last line.
    Result(Box<DrillReport>),
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillStep {
    /// What: `install`, `update`, `flip`, `kill:<checkpoint>`, `recovery:<checkpoint>`, `reversal`,
    /// `rollback`, or what stands around them: `prepare`, `clean_up`.
    pub step: String,
    /// Whether it went as it has to.
    pub passed: bool,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What went wrong, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How a drill ended: the last line of its answer, `drill` in `GET /health`, and `drill.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillReport {
    /// The version of this format.
    pub format: u32,
    /// Whether all steps passed.
    pub status: DrillStatus,
    /// `drill_failed` if one did not.
    pub code: Option<Code>,
    /// The app whose disks, user and bounds it was done with.
    pub app: AppName,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// How long all of it took, in milliseconds.
    pub duration_ms: u64,
    /// Which step failed, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was tried, in its order, up to the first that failed.
    pub steps: Vec<DrillStep>,
    /// What asked for it.
    pub caller: CallerKind,
}

/// Whether a drill passed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum DrillStatus {
    /// This host installs, recovers and rolls back.
    Passed,
    /// It does not.
    Failed,
}

impl DrillStatus {
    /// The name on the wire and on the screen.
    pub fn into_str(self) -> &'static str {
        self.into()
    }
}

impl DrillReport {
    /// Whether all steps passed.
    pub fn passed(&self) -> bool {
        self.status == DrillStatus::Passed
    }
}
