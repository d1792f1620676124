//! `deaths.json`: what the agent died of outside of transactions, for as long as its release is not
//! proven anew. Only the last death is kept in full.

use std::time::Duration;

use protocol::{AgentDeath, Digest, FORMAT};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Deaths in a row, each soon after its start, that make a crash loop.
const CRASH_LOOP: u32 = 2;

/// The deaths of one release's agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deaths {
    format: u32,
    digest: Digest,
    #[serde(flatten)]
    pub last: AgentDeath,
    /// Which start the last one ended; absent if the agent could not be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<String>,
    /// How many of them in a row came soon after a start.
    #[serde(default)]
    in_a_row: u32,
}

/// One death.
#[derive(Debug)]
pub struct Death {
    pub digest: Digest,
    pub how: String,
    pub at: OffsetDateTime,
    pub output: Vec<String>,
    /// Which start it ended.
    pub mark: Option<String>,
    /// When the agent was started; absent if it could not be.
    pub started_at: Option<OffsetDateTime>,
}

impl Deaths {
    /// These deaths, and one more. What lived for `settled` has begun a new row.
    pub fn and(before: Option<Self>, death: Death, settled: Duration) -> Self {
        let Death { digest, how, at, output, mark, started_at } = death;
        let before = before.filter(|before| before.digest == digest);
        let lived = started_at.is_some_and(|started| at - started >= settled);
        let in_a_row = before.as_ref().map_or(0, |before| before.in_a_row);
        let (times, since) =
            before.map_or((0, at), |before| (before.last.times, before.last.since));
        Self {
            format: FORMAT,
            digest,
            last: AgentDeath { how, at, times: times.saturating_add(1), since, output },
            mark,
            in_a_row: if lived { 1 } else { in_a_row.saturating_add(1) },
        }
    }

    /// Whether the last of them was the end of this start.
    pub fn ended_with(&self, mark: &str) -> bool {
        self.mark.as_deref() == Some(mark)
    }

    /// Whether they are of this release, and none of them was before it was last proven.
    pub fn concern(&self, active: Option<Digest>, proven_at: Option<OffsetDateTime>) -> bool {
        Some(self.digest) == active && proven_at.is_none_or(|proven| proven < self.last.at)
    }

    /// Whether an agent that was started at `started` is only the next to die.
    pub fn are_a_loop(
        &self,
        started: OffsetDateTime,
        now: OffsetDateTime,
        settled: Duration,
    ) -> bool {
        self.in_a_row >= CRASH_LOOP && now - started < settled
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);
    const SETTLED: Duration = Duration::from_mins(1);

    /// A death after so many seconds of life.
    fn death(of: u8, started_at: OffsetDateTime, seconds: u64) -> Death {
        let at = started_at + Duration::from_secs(seconds);
        let digest = Digest::from_bytes([of; 32]);
        let how = "exited with status 7".to_owned();
        let mark = Some("a start".to_owned());
        Death { digest, how, at, output: Vec::new(), mark, started_at: Some(started_at) }
    }

    #[test]
    fn deaths_soon_after_a_start_are_a_loop_and_a_long_life_ends_it() {
        let one = Deaths::and(None, death(1, START, 2), SETTLED);
        assert!(!one.are_a_loop(START, START, SETTLED), "one death is none");
        let two = Deaths::and(Some(one), death(1, START, 4), SETTLED);
        assert!(two.are_a_loop(START, START, SETTLED));
        assert!(!two.are_a_loop(START, START + SETTLED, SETTLED), "it lives");
        let three = Deaths::and(Some(two), death(1, START, 99), SETTLED);
        assert!(!three.are_a_loop(START, START, SETTLED));
        assert_eq!((three.last.times, three.last.since), (3, START + Duration::from_secs(2)));
    }

    #[test]
    fn deaths_are_of_one_release_and_a_proof_forgets_them() {
        let one = Deaths::and(None, death(1, START, 2), SETTLED);
        let other = Deaths::and(Some(one.clone()), death(2, START, 3), SETTLED);
        assert_eq!(other.last.times, 1);
        let digest = Some(Digest::from_bytes([1; 32]));
        assert!(one.concern(digest, None) && one.concern(digest, Some(START)));
        assert!(!one.concern(digest, Some(one.last.at)) && !one.concern(None, None));
    }

    #[test]
    fn what_an_older_updater_wrote_is_read() {
        let text = format!(
            r#"{{"format": 1, "digest": "{}", "how": "ended", "at": "2026-01-02T03:04:05Z", "times": 2,
            "since": "2026-01-02T03:04:05Z"}}"#,
            Digest::from_bytes([1; 32])
        );
        let deaths: Deaths = serde_json::from_str(&text).unwrap();
        assert_eq!((deaths.last.times, deaths.mark), (2, None));
    }
}
