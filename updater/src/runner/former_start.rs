//! What of an agent that runs is not as it would be started now: the configuration has changed since.

use super::Launch;
use super::process::ProcessRunner;
use super::record::Record;

impl ProcessRunner {
    /// What of a start is not as it would be now, in words: the units, the user or the command.
    pub(super) fn former(&self, start: &Record, active: Option<&Launch>) -> Option<String> {
        let user = self.user().ok()?.uid;
        let other = start.user.filter(|started| *started != user);
        let as_user = || other.map(|other| format!("the agent was started as the user {other}"));
        let with_command = || {
            // Where the configuration has none, or none any more, the release's own counts.
            let own = active.filter(|active| active.digest == start.digest);
            let now = self.command.as_ref().or_else(|| own.map(|own| &own.command))?;
            let is_other = !start.command.is_empty() && *now != start.command;
            let words = start.command.join(" ");
            is_other.then(|| format!("the agent was started with the command {words:?}"))
        };
        start.former(&[]).or_else(as_user).or_else(with_command)
    }
}

/// What an operator is told of it.
pub(super) fn told(former: &str) -> String {
    format!("{former}, as the configuration was then: `updater restart` starts it as it is now")
}
