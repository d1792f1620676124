//! How an app's program is outside of transactions: what its own probe was answered last, and what its
//! agent died of.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The last answer to an app's own probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastProbe {
    /// When it came.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Whether the active release answered, and answered well.
    pub passed: bool,
    /// How many answers in a row were failures, this one included.
    #[serde(default)]
    pub failures: u32,
    /// What was seen, in words.
    #[serde(serialize_with = "crate::detail::serialize")]
    pub detail: String,
}

/// What the agent of the active release last died of, since that release was last proven. A transaction
/// that ends or undoes a release is no death.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentDeath {
    /// In words: `exited with status 7`, `was killed by signal 9`.
    pub how: String,
    /// When it was seen.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// How often it died.
    pub times: u32,
    /// When the first of these deaths was seen.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// The last lines that it printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
}

/// What fits after "its agent": how and when, and how often.
impl fmt::Display for AgentDeath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}", self.how, in_seconds(self.at))?;
        if self.times > 1 {
            write!(formatter, ", {} times since {}", self.times, in_seconds(self.since))?;
        }
        Ok(())
    }
}

impl AgentDeath {
    /// The last line that it printed, as it is told after the rest; only of an agent that ended by itself: of
    /// one that was killed, it has nothing to do with its end.
    pub fn last_words(&self) -> String {
        let itself = self.how.contains("exited with status");
        let line = self.output.last().filter(|_| itself);
        line.map(|line| format!("; its last line was: {line}")).unwrap_or_default()
    }
}

/// A time as tables write it, to the second.
pub fn in_seconds(time: OffsetDateTime) -> String {
    let whole = time.replace_nanosecond(0).unwrap_or(time);
    whole.format(&Rfc3339).unwrap_or_default().replacen('T', " ", 1)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_death_is_told_with_its_last_line() {
        let since = datetime!(2026-01-02 03:04:05.678 UTC);
        let death = AgentDeath {
            how: "exited with status 7".to_owned(),
            at: since,
            times: 1,
            since,
            output: vec!["one".to_owned(), "license expired".to_owned()],
        };
        assert_eq!(death.to_string(), "exited with status 7 at 2026-01-02 03:04:05Z");
        assert_eq!(death.last_words(), "; its last line was: license expired");
        let killed = AgentDeath { how: "was killed by SIGKILL".to_owned(), ..death.clone() };
        assert_eq!(killed.last_words(), "");
        let again = AgentDeath { times: 3, output: Vec::new(), ..death };
        let told =
            "exited with status 7 at 2026-01-02 03:04:05Z, 3 times since 2026-01-02 03:04:05Z";
        assert_eq!(again.to_string(), told);
    }
}
