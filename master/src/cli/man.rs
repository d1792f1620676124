//! `swarm man`: the manual pages, of the commands and of the files that people write.

use std::io;
use std::path::PathBuf;

use clap::Args;
use explain::{Exit, Explain, Failure};
use manual::{Chapter, Page, chapter_page, command_pages, write_pages};

use crate::cli::help;
use crate::output::Output;

/// Of commands for everybody.
const SECTION: u8 = 1;

const CHAPTERS: [Chapter<'_>; 2] = [
    Chapter {
        name: "swarm.toml",
        section: 5,
        about: "configuration of the master: who is told of a rollout",
        source: concat!("swarm ", env!("CARGO_PKG_VERSION")),
        see_also: "swarm(1), swarm-update(1)",
        markdown: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/notifications.md")),
    },
    // By its other name: the updater's package has `release.toml`.
    Chapter {
        name: "swarm-release.toml",
        section: 5,
        about: "what a release says of itself",
        source: concat!("swarm ", env!("CARGO_PKG_VERSION")),
        see_also: "swarm(1), swarm-pack(1), swarm-release-sign(1)",
        markdown: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/releases.md")),
    },
];

/// The words of `swarm man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write one page a command and a file into this directory, instead of all to stdout
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
        let pages = pages().map_err(ManError)?;
        if let Some(directory) = &self.out_dir {
            write_pages(&pages, directory).map_err(ManError)?;
        } else {
            output.data(&pages.into_iter().map(|page| page.text).collect::<String>());
        }
        Ok(Exit::Success)
    }
}

/// The page of `swarm`, and then those of its commands and of theirs, and of the files.
fn pages() -> io::Result<Vec<Page>> {
    let mut pages = command_pages(help::command(), SECTION)?;
    pages.extend(CHAPTERS.iter().map(chapter_page));
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_file_has_a_page() {
        let pages = pages().unwrap();
        let has = |file: &str| pages.iter().any(|page| page.file == file);
        for command in help::command().get_subcommands() {
            let page = format!("swarm-{}.1", command.get_name());
            assert_eq!(has(&page), !command.is_hide_set(), "{command}");
        }
        assert!(has("swarm-rollout-continue.1"), "a command of a command");
        assert!(has("swarm.toml.5") && has("swarm-release.toml.5"));
    }
}
