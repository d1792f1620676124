//! What an operator may request of a rollout, and when that is refused. What follows from it is in
//! `apply_request`.

use protocol::Digest;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{Pause, State, Status};

/// Something that an operator requests of a rollout.
/// [`Self::into_str`] is the verb for messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(tag = "request", rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Request {
    /// Agree that it goes on; if a digest is named, only where that is its plan's.
    Approve { digest: Option<Digest> },
    /// Do not agree: the rollout ends.
    Reject,
    /// Start no host any more.
    Pause,
    /// The same, since the process that drives it is to end.
    Interrupt,
    /// Go on after an operator paused it.
    Resume,
    /// Go on, whatever paused it: the failures so far do not count any more.
    Continue,
    /// Take back every host that was updated.
    #[strum(serialize = "roll back")]
    Rollback,
    /// End it, and leave all hosts as they are.
    Abort,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("{request} the rollout: it is {state}")]
    AlreadyOver { request: &'static str, state: &'static str },
    /// The rollout's present status does not allow it.
    #[error("{request} the rollout: it is {state}")]
    NotNow { request: &'static str, state: &'static str },
    /// The rollout cannot simply be resumed: an operator has to decide how it goes on.
    #[error("resume the rollout: {0}, and an operator has to decide how it goes on")]
    NeedsDecision(Pause),
    /// The approval is of another plan.
    #[error("approve the plan {named}: this rollout's is {plan}")]
    OtherPlan { named: Digest, plan: Digest },
    /// The rollout waited for longer than the policy's deadline.
    #[error("{request} the rollout: its question has expired")]
    Expired { request: &'static str },
}

impl State {
    /// Whether the rollout's present status allows a request:
    ///
    /// | | planned | awaits approval | running | paused | rolling back |
    /// |---|---|---|---|---|---|
    /// | approve, reject | | yes | | | |
    /// | pause, interrupt | | | yes | | |
    /// | resume | nothing changes | | nothing changes | if no decision is needed | nothing changes |
    /// | continue | | | | yes | |
    /// | rollback | | yes | yes | yes | |
    /// | abort | yes | yes | yes | yes | yes |
    pub fn check(&self, request: &Request, now: OffsetDateTime) -> Result<(), RequestError> {
        let (name, state) = (request.into_str(), self.status.into_str());
        if self.status.is_final() {
            return Err(RequestError::AlreadyOver { request: name, state });
        }
        if self.status.awaits_operator() && self.since + self.plan.policy.deadlines.answer.0 <= now
        {
            return Err(RequestError::Expired { request: name });
        }
        match (request, &self.status) {
            (Request::Approve { digest: Some(named) }, Status::AwaitingApproval(_))
                if *named != self.plan.digest() =>
            {
                Err(RequestError::OtherPlan { named: *named, plan: self.plan.digest() })
            }
            (Request::Resume, Status::Paused(why)) if why.needs_decision() => {
                Err(RequestError::NeedsDecision(why.clone()))
            }
            (Request::Approve { .. } | Request::Reject, Status::AwaitingApproval(_))
            | (Request::Pause | Request::Interrupt, Status::Running)
            | (
                Request::Resume,
                Status::Planned | Status::Running | Status::Paused(_) | Status::RollingBack,
            )
            | (Request::Continue, Status::Paused(_))
            | (
                Request::Rollback,
                Status::AwaitingApproval(_) | Status::Running | Status::Paused(_),
            )
            | (Request::Abort, _) => Ok(()),
            _ => Err(RequestError::NotNow { request: name, state }),
        }
    }
}
