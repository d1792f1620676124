//! What happens to a rollout. Stored in this form: a change of it is a change of a stored format.

use protocol::{AppHealth, AppName, Digest, Health, HostName, Phase};
use serde::{Deserialize, Serialize};

use crate::{Request, Row};

/// Something that happened. A rollout is its plan and these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Somebody's process drives the rollout from now on; answers to an earlier one are lost.
    Driven {
        who: String,
        /// The epoch of its orders.
        epoch: u64,
    },
    /// A host was looked at.
    Seen { host: HostName, seen: Observation },
    /// A host has the release on its disk, or not.
    Staged { host: HostName, error: Option<String> },
    /// A host's transaction entered a phase.
    Phase {
        host: HostName,
        phase: Phase,
        /// Why, where the phase alone does not say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The release is good on a host, and its updater is being replaced now.
    UpdatingSelf { host: HostName },
    /// A host's order came to its end.
    Ended {
        /// What the host came to.
        row: Box<Row>,
    },
    /// A deadline has come.
    Tick,
    /// Somebody asks for something.
    Asked { who: String, request: Request },
}

/// How a host was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    Here(HostReport),
    /// It answered, and would not say.
    Refused {
        /// A stable name of why.
        code: String,
        detail: String,
    },
    /// It did not answer.
    Unreachable {
        /// A stable name of why.
        code: String,
        detail: String,
    },
}

/// What a host says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReport {
    /// The app, unless the host has none of that name.
    pub app: Option<AppReport>,
    /// The release that its updater runs from.
    pub updater: Digest,
}

/// What a host says of the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppReport {
    /// The release that is active.
    pub active: Option<Digest>,
    /// Where its transaction stands.
    pub phase: Phase,
    /// True unless its agent should run and does not.
    pub healthy: bool,
    /// What its agent is doing.
    pub agent: String,
    /// How many bytes an archive may have there; absent if the host does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<u64>,
}

impl HostReport {
    /// What matters of a `/health`.
    pub fn of(health: &Health, app: &AppName) -> Self {
        Self { app: health.apps.get(app).map(AppReport::of), updater: health.digest }
    }
}

impl AppReport {
    fn of(app: &AppHealth) -> Self {
        Self {
            active: app.active.as_ref().map(|active| active.digest),
            phase: app.state,
            healthy: app.healthy,
            agent: app.agent.clone(),
            room: app.room,
        }
    }
}
