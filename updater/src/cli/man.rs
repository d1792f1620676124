//! `updater man`: the manual pages, of the commands and of the files that they read.

use clap::CommandFactory as _;
use manual::{Chapter, Page, chapter_page, command_pages, write_pages};

use crate::cli::args::{Arguments, ManArgs};
use crate::cli::errors::CliError;
use crate::cli::system::failed_at;

/// Of commands for root.
const SECTION: u8 = 8;

const CHAPTERS: [Chapter<'_>; 2] = [
    Chapter {
        name: "updater.toml",
        section: 5,
        about: "configuration of the updater",
        source: concat!("updater ", env!("CARGO_PKG_VERSION")),
        see_also: "updater(8), updater-check(8), release.toml(5)",
        markdown: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md")),
    },
    Chapter {
        name: "release.toml",
        section: 5,
        about: "what a release says of itself",
        source: concat!("updater ", env!("CARGO_PKG_VERSION")),
        see_also: "updater(8), updater.toml(5)",
        markdown: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/releases.md")),
    },
];

/// Writes a page for the program, one for each of its commands, and one for each file.
pub(super) fn man(asked: &ManArgs) -> Result<bool, CliError> {
    let written = pages().and_then(|pages| write_pages(&pages, &asked.out_dir));
    written.map_err(failed_at("write the manual pages"))?;
    Ok(true)
}

fn pages() -> std::io::Result<Vec<Page>> {
    let mut pages = command_pages(Arguments::command(), SECTION)?;
    pages.extend(CHAPTERS.iter().map(chapter_page));
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_shown_has_a_page() {
        let directory = tempfile::tempdir().unwrap();
        let out_dir = directory.path().join("pages");
        man(&ManArgs { out_dir: out_dir.clone() }).unwrap();
        assert!(out_dir.join("updater.8").exists());
        for command in Arguments::command().get_subcommands() {
            let page = out_dir.join(format!("updater-{}.8", command.get_name()));
            assert_eq!(page.exists(), !command.is_hide_set(), "{command}");
        }
    }

    #[test]
    fn every_key_is_a_term_of_its_page() {
        let pages = pages().unwrap();
        let page = pages.iter().find(|page| page.file == "updater.toml.5").unwrap();
        let rows = CHAPTERS[0].markdown.lines().filter_map(|line| line.strip_prefix("| `"));
        let keys = rows.filter_map(|row| Some(row.split_once("` |")?.0));
        for key in keys.filter(|key| !key.contains('`')) {
            let term = format!("\n.TP\n\\fB{}\\fR\n", key.replace('-', "\\-"));
            assert!(page.text.contains(&term), "{key}");
        }
        assert!(pages.iter().any(|page| page.file == "release.toml.5"));
    }
}
