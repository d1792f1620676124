//! `swarm man`: the manual pages.

use std::io;
use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man;
use explain::{Exit, Explain, Failure};

use crate::cli::help;
use crate::output::Output;

/// The words of `swarm man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write one page a command into this directory, instead of all to stdout
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
}

/// Why there are no pages.
#[derive(Debug, thiserror::Error)]
#[error("write the manual pages")]
struct ManError(#[from] io::Error);

impl Explain for ManError {}

impl ManArgs {
    /// Writes the pages.
    pub(super) fn run(&self, output: &Output) -> Result<Exit, Failure> {
        if let Some(directory) = &self.out_dir {
            std::fs::create_dir_all(directory).map_err(ManError)?;
            clap_mangen::generate_to(help::command(), directory).map_err(ManError)?;
        } else {
            output.data(&pages().map_err(ManError)?);
        }
        Ok(Exit::Success)
    }
}

/// The page of `swarm`, and then those of its commands and of theirs.
fn pages() -> io::Result<String> {
    let mut command = help::command();
    command.build();
    let mut pages = Vec::new();
    render(&command, "swarm", &mut pages)?;
    Ok(String::from_utf8_lossy(&pages).into_owned())
}

fn render(command: &Command, name: &str, pages: &mut Vec<u8>) -> io::Result<()> {
    Man::new(command.clone().name(name.to_owned())).render(pages)?;
    let shown = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    for subcommand in command.get_subcommands().filter(shown) {
        render(subcommand, &format!("{name}-{}", subcommand.get_name()), pages)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let pages = pages().unwrap();
        for command in help::command().get_subcommands() {
            let page = format!("swarm\\-{}", command.get_name());
            assert_eq!(pages.contains(&page), !command.is_hide_set(), "{command}");
        }
        assert!(pages.contains("swarm\\-rollout\\-continue"), "a command of a command");
    }
}
