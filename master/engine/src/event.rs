//! What happens to a rollout. Stored in this form: a change of it is a change of a stored format.

use protocol::{AgentState, AppHealth, AppName, Digest, Health, HostName, Period, Phase};
use serde::{Deserialize, Serialize};

use crate::{HostResult, Request, ResultCode};

/// Something that happened. A rollout is its plan and these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A process of `who` drives the rollout from now on, with this epoch in its orders. What hosts
    /// answer to an earlier process is lost.
    #[serde(rename = "driven")]
    DriverStarted { who: String, epoch: u64 },
    #[serde(rename = "seen")]
    Observed {
        host: HostName,
        #[serde(rename = "seen")]
        observation: Observation,
    },
    /// The release was put on the host's disk before its turn, or not, and why. Only older masters did
    /// that, and stored it.
    Staged { host: HostName, error: Option<String> },
    /// A host's transaction entered a phase.
    #[serde(rename = "phase")]
    PhaseEntered {
        host: HostName,
        phase: Phase,
        /// Why, where the phase alone does not say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// The release is good on a host, and its updater is being replaced now.
    UpdatingSelf { host: HostName },
    #[serde(rename = "ended")]
    OrderEnded {
        #[serde(rename = "row")]
        result: Box<HostResult>,
    },
    #[serde(rename = "tick")]
    DeadlineReached,
    /// An operator requests something.
    #[serde(rename = "asked")]
    Requested {
        who: String,
        request: Request,
        /// Why, in the operator's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<String>,
    },
}

/// What came of asking a host for its `/health`. Codes are stable names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    #[serde(rename = "here")]
    Reported(HostReport),
    /// The host answered, and did not say it.
    Refused { code: ResultCode, detail: String },
    /// The host did not answer.
    Unreachable { code: ResultCode, detail: String },
}

/// What a host's updater says of itself and of the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReport {
    /// None if the host has no app of that name.
    pub app: Option<AppReport>,
    /// The release that the updater runs from.
    pub updater: Digest,
}

/// What a host's updater says of the app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppReport {
    /// The release that is active.
    pub active: Option<Digest>,
    /// The phase of the transaction that is under way.
    pub phase: Phase,
    /// Whether its program is well, and answered its own probe when it was last asked.
    pub healthy: bool,
    /// Why it is not, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether no release could be proven there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stranded: bool,
    /// What its agent is doing.
    pub agent: AgentState,
    /// How many bytes an archive may have there; absent if the host does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<u64>,
    /// What a rollback takes it to at once, while an update is under way that can be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes_to: Option<Digest>,
    /// How long it watches a new release unless it is asked for longer; absent if the host does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Period>,
}

impl HostReport {
    /// The part of a `/health` that the engine decides by.
    pub fn of(health: &Health, app: &AppName) -> Self {
        Self { app: health.apps.get(app).map(AppReport::of), updater: health.digest }
    }
}

impl AppReport {
    fn of(app: &AppHealth) -> Self {
        let failed = app.probe.as_ref().filter(|probe| !probe.passed);
        let failed = failed.map(|probe| format!("its probe failed: {}", probe.detail));
        Self {
            active: app.active.as_ref().map(|active| active.digest),
            phase: app.state,
            healthy: app.healthy && failed.is_none(),
            reason: app.reason.clone().or(failed),
            stranded: app.stranded,
            agent: app.agent.clone(),
            room: app.room,
            undoes_to: app.undoes_to,
            watch: app.watch,
        }
    }

    /// Whether a rollback to this release has a transaction under way end there, and need not wait for it.
    pub fn can_be_undone_to(&self, to: Option<Digest>) -> bool {
        to.is_some() && self.undoes_to == to
    }

    /// Whether the program was stopped on the host, on purpose.
    pub fn is_stopped(&self) -> bool {
        self.agent == AgentState::Stopped
    }

    /// Whether the release that is active only has to be started and proven, to be current: its program was
    /// stopped, or nothing could be proven there.
    pub fn is_to_be_started(&self) -> bool {
        self.is_stopped() || self.stranded
    }

    /// Why the program that runs keeps a rollout from beginning; `None` where it is well, and where
    /// nothing runs that could be harmed.
    pub fn unwell(&self) -> Option<String> {
        self.active?;
        if self.is_stopped() {
            let start = "start it with `updater start` there";
            return Some(format!(
                "its agent was stopped on the host; {start}, or have it started with \
                the release"
            ));
        }
        let agent = || format!("its agent is {}", self.agent);
        (!self.healthy).then(|| self.reason.clone().unwrap_or_else(agent))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_keep_the_form_in_which_they_are_stored() {
        let report = json!({"app": {"active": null, "phase": "idle", "healthy": true,
            "agent": "running", "room": 7}, "updater": Digest::from_bytes([1; 32])});
        let result = json!({"host": "web-1", "outcome": "updated", "code": null, "from": null,
            "to": null, "duration_ms": 5, "detail": null});
        for stored in [
            json!({"event": "driven", "who": "ada", "epoch": 1}),
            json!({"event": "seen", "host": "web-1", "seen": {"here": report}}),
            json!({"event": "seen", "host": "web-1", "seen": {"refused": {"code": "x", "detail": "y"}}}),
            json!({"event": "seen", "host": "web-1", "seen": {"unreachable": {"code": "x", "detail": "y"}}}),
            json!({"event": "staged", "host": "web-1", "error": null}),
            json!({"event": "phase", "host": "web-1", "phase": "building"}),
            json!({"event": "updating_self", "host": "web-1"}),
            json!({"event": "ended", "row": result}),
            json!({"event": "tick"}),
            json!({"event": "asked", "who": "eve", "request": {"request": "continue"}}),
            json!({"event": "asked", "who": "eve", "request": {"request": "approve", "digest": null}}),
        ] {
            let event: Event = serde_json::from_value(stored.clone()).unwrap();
            assert_eq!(serde_json::to_value(event).unwrap(), stored);
        }
    }
}
