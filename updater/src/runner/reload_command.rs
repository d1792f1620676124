//! `run.reload`: the command by which an agent is told to follow a release.

use std::time::Duration;

use protocol::Period;

use super::{Launch, RunnerError};
use crate::config::{RunConfig, Strategy};
use crate::sys::bounds::{Bound, CommandBounds};
use crate::sys::job::RunError;
use crate::sys::run::{describe, run_bounded};
use crate::sys::spawn::Spawn;
use crate::sys::user::User;

/// Bytes of its output that are read before it is ended.
const OUTPUT_BYTES: u64 = 1 << 20;
/// As systemd calls the number of the first process, in an environment and in a command.
const MAIN_PROCESS: &str = "MAINPID";

#[derive(Debug, Clone)]
pub(super) struct ReloadCommand {
    words: Vec<String>,
    timeout: Duration,
}

impl ReloadCommand {
    /// As the configuration has it, where it is used at all.
    pub(super) fn of(config: &RunConfig) -> Option<Self> {
        let command = config.reload.as_ref().filter(|_| config.strategy == Strategy::Reload)?;
        Some(Self { words: command.0.clone(), timeout: config.start_timeout.0 })
    }

    /// Runs it in the release, as this user. `main` is the process that is told, which `what` names. Blocks.
    pub(super) fn run(
        &self,
        launch: &Launch,
        main: u32,
        user: User,
        what: &str,
    ) -> Result<(), RunnerError> {
        let main = main.to_string();
        let words: Vec<String> = self.words.iter().map(|word| with_number(word, &main)).collect();
        let mut variables = launch.variables();
        variables.insert(MAIN_PROCESS.to_owned(), main);
        let mut spawn = Spawn::new(&words, &launch.release_path, user, &variables)?;
        spawn.no_new_privileges = true;
        let (timeout, output_bytes) = (self.timeout, OUTPUT_BYTES);
        let bounds = CommandBounds { timeout, output_bytes, room: None, until: None };
        let failed = |how, output| RunnerError::Reload { unit: what.to_owned(), how, output };
        let name = self.words.first().map_or("", String::as_str);
        match run_bounded(spawn, bounds, |_| {}) {
            Ok(finished) if finished.status.success() => Ok(()),
            Ok(finished) => {
                let how = format!("did not: {name} {}", describe(finished.status));
                Err(failed(how, finished.output.shown()))
            }
            Err(RunError::Ended { bound: Bound::Time(_), output }) => {
                Err(failed(format!("has not within {}", Period(timeout)), output))
            }
            Err(RunError::Ended { bound, output }) => {
                Err(failed(format!("did not: {name} did not {bound}"), output))
            }
            Err(RunError::Start(error)) => Err(error.into()),
            Err(error) => Err(RunnerError::Follow(std::io::Error::other(error))),
        }
    }
}

/// A word of the command with the number in it, for `$MAINPID` or `${MAINPID}`.
fn with_number(word: &str, number: &str) -> String {
    word.replace("${MAINPID}", number).replace("$MAINPID", number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_the_first_process_stands_for_its_name() {
        assert_eq!(with_number("$MAINPID", "17"), "17");
        assert_eq!(with_number("--pid=${MAINPID}.", "17"), "--pid=17.");
        assert_eq!(with_number("MAINPID", "17"), "MAINPID");
    }
}
