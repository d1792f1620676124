//! `swarm completions`: what the shell offers at the tab key.
//!
//! The script that a shell reads asks this program each time, so that it offers hosts and releases as they
//! are.

use std::io;

use clap::{Args, ValueEnum};
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Zsh};
use explain::{Exit, Failure};

use crate::cli::help;
use crate::output::Output;

/// The variable by which the script asks.
const ASKED: &str = "SWARM_COMPLETE";

/// The words of `swarm completions`.
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
pub(super) fn answer() -> clap::error::Result<bool> {
    let directory = std::env::current_dir().ok();
    CompleteEnv::with_factory(help::command)
        .var(ASKED)
        .try_complete(std::env::args_os(), directory.as_deref())
}

impl CompletionsArgs {
    /// Writes the script.
    pub(super) fn run(&self, output: &Output) -> Result<Exit, Failure> {
        output.data(&String::from_utf8_lossy(&self.shell.script().map_err(ScriptError)?));
        Ok(Exit::Success)
    }
}

impl Shell {
    fn script(self) -> io::Result<Vec<u8>> {
        let shell: &dyn EnvCompleter = match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
        };
        let mut script = Vec::new();
        shell.write_registration(ASKED, "swarm", "swarm", "swarm", &mut script)?;
        Ok(script)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("write the script")]
struct ScriptError(#[source] io::Error);

impl explain::Explain for ScriptError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_a_script_that_asks_the_program() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(shell.script().unwrap()).unwrap();
            assert!(script.contains(ASKED), "{shell:?}: {script}");
        }
    }
}
