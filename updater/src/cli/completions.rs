//! `updater completions`: what the shell offers at the tab key.
//!
//! The script that a shell reads asks this program each time, so that it offers apps and releases as they are.

use std::io;

use clap::{Args, Command, CommandFactory as _, ValueEnum};
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Zsh};

use crate::cli::args::Arguments;
use crate::cli::candidates::with_candidates;
use crate::cli::errors::CliError;
use crate::cli::system::{failed_at, print};

/// The variable by which the script asks.
const ASKED: &str = "UPDATER_COMPLETE";

/// The words of `updater completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Answers a shell that asks what could come next; false if none did.
pub fn answer() -> clap::error::Result<bool> {
    let directory = std::env::current_dir().ok();
    CompleteEnv::with_factory(command)
        .var(ASKED)
        .try_complete(std::env::args_os(), directory.as_deref())
}

/// The command line with all that it offers to a shell.
fn command() -> Command {
    with_candidates(Arguments::command())
}

/// Writes the script.
pub(super) fn completions(asked: &CompletionsArgs) -> Result<bool, CliError> {
    let script = asked.shell.script().map_err(failed_at("write the script"))?;
    print(&String::from_utf8_lossy(&script))?;
    Ok(true)
}

impl Shell {
    fn script(self) -> io::Result<Vec<u8>> {
        let shell: &dyn EnvCompleter = match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
        };
        let mut script = Vec::new();
        shell.write_registration(ASKED, "updater", "updater", "updater", &mut script)?;
        Ok(script)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_a_script_that_asks_the_program() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(shell.script().unwrap()).unwrap();
            assert!(script.contains(ASKED), "{shell:?}: {script}");
        }
        command().debug_assert();
    }
}
