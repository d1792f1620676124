//! When somebody wants to be told.

use serde::Deserialize;
use store::{Event, EventType};

/// What a hook can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// A rollout waits for somebody's decision.
    Paused,
    /// Too many hosts failed.
    Tripped,
    /// A rollout ended, and all is as asked.
    Completed,
    /// A rollout ended otherwise: some host failed, it was rolled back, or somebody ended it.
    Failed,
}

impl Occasion {
    pub const ALL: [Self; 4] = [Self::Paused, Self::Tripped, Self::Completed, Self::Failed];

    /// The occasion that an event is; most are none.
    pub fn of(event: &Event) -> Option<Self> {
        match event.kind {
            EventType::RolloutPaused => Some(Self::Paused),
            EventType::RolloutTripped => Some(Self::Tripped),
            EventType::RolloutCompleted if event.data["result"] == "completed" => {
                Some(Self::Completed)
            }
            EventType::RolloutCompleted
            | EventType::RolloutAborted
            | EventType::RolloutRolledBack => Some(Self::Failed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testing::at;

    use super::*;

    #[test]
    fn an_end_that_is_not_all_as_asked_is_a_failure() {
        let of = |kind, result: &str| {
            let data = json!({"result": result});
            Occasion::of(&Event { data, ..Event::new(kind, at(0), "ada") })
        };
        assert_eq!(of(EventType::RolloutCompleted, "completed"), Some(Occasion::Completed));
        assert_eq!(of(EventType::RolloutCompleted, "failed"), Some(Occasion::Failed));
        assert_eq!(of(EventType::RolloutAborted, "interrupted"), Some(Occasion::Failed));
        assert_eq!(of(EventType::RolloutRolledBack, ""), Some(Occasion::Failed));
        assert_eq!(of(EventType::RolloutPaused, ""), Some(Occasion::Paused));
        assert_eq!(of(EventType::RolloutTripped, ""), Some(Occasion::Tripped));
        assert_eq!(of(EventType::HostFailed, ""), None);
    }
}
