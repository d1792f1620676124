//! `swarm completions`: what the shell offers at the tab key.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::output::Output;

/// The words of `swarm completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl CompletionsArgs {
    /// Writes the script.
    pub(super) fn run(&self, output: &Output) {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "swarm", &mut script);
        output.data(&String::from_utf8_lossy(&script));
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_has_a_script_that_knows_the_commands() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "swarm", &mut script);
            assert!(String::from_utf8(script).unwrap().contains("decommission"), "{shell}");
        }
    }
}
