//! What somebody may ask of a rollout, and when it is refused.

use protocol::Digest;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{Pause, State, Status};

/// Something that is asked of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Agree to what it waits for; of this plan, if one is named.
    Approve {
        /// The digest of the plan.
        digest: Option<Digest>,
    },
    /// Do not agree: it ends.
    Reject,
    /// Start no host any more.
    Pause,
    /// The same, since the process that drives it is to end.
    Interrupt,
    /// Go on after it was paused by somebody.
    Resume,
    /// Go on, whatever it is paused for: the failures so far do not count any more.
    Continue,
    /// Take back what it did.
    Rollback,
    /// Leave all as it is.
    Abort,
}

/// Why it is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{request} it: it is {state}")]
    Over { request: &'static str, state: &'static str },
    /// It is not in a state in which that means anything.
    #[error("{request} it: it is {state}")]
    NotNow { request: &'static str, state: &'static str },
    /// It needs a decision.
    #[error("resume it: {0}, and somebody has to decide how it goes on")]
    Decide(Pause),
    /// The plan is another one.
    #[error("approve the plan {named}: this rollout's is {plan}")]
    OtherPlan { named: Digest, plan: Digest },
    /// Nobody answered in time.
    #[error("{request} it: its question has expired")]
    Expired { request: &'static str },
}

impl Request {
    /// The word of the command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Reject => "reject",
            Self::Pause => "pause",
            Self::Interrupt => "interrupt",
            Self::Resume => "resume",
            Self::Continue => "continue",
            Self::Rollback => "roll back",
            Self::Abort => "abort",
        }
    }
}

impl State {
    /// Whether a request means something as the rollout stands now:
    ///
    /// | | planned | awaits approval | running | paused | rolling back |
    /// |---|---|---|---|---|---|
    /// | approve, reject | | yes | | | |
    /// | pause, interrupt | | | yes | | |
    /// | resume | nothing changes | | nothing changes | if nobody has to decide | nothing changes |
    /// | continue | | | | yes | |
    /// | rollback | | yes | yes | yes | |
    /// | abort | yes | yes | yes | yes | yes |
    pub fn check(&self, request: &Request, now: OffsetDateTime) -> Result<(), Refusal> {
        let (name, state) = (request.name(), self.status.name());
        if self.status.is_final() {
            return Err(Refusal::Over { request: name, state });
        }
        if self.status.is_a_question() && self.since + self.plan.policy.deadlines.answer.0 <= now {
            return Err(Refusal::Expired { request: name });
        }
        match (request, &self.status) {
            (Request::Approve { digest: Some(named) }, Status::AwaitingApproval(_))
                if *named != self.plan.digest() =>
            {
                Err(Refusal::OtherPlan { named: *named, plan: self.plan.digest() })
            }
            (Request::Resume, Status::Paused(why)) if why.asks_how() => {
                Err(Refusal::Decide(why.clone()))
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
            _ => Err(Refusal::NotNow { request: name, state }),
        }
    }
}
