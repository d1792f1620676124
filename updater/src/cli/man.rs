//! `updater man`: the manual pages.

use clap::CommandFactory as _;

use crate::cli::args::{Arguments, ManArgs};
use crate::cli::errors::CliError;
use crate::cli::system::failed_at;

/// Writes a page for the program, and one for each of its commands.
pub(super) fn man(asked: &ManArgs) -> Result<bool, CliError> {
    let made = std::fs::create_dir_all(&asked.out_dir);
    let written =
        made.and_then(|()| clap_mangen::generate_to(Arguments::command(), &asked.out_dir));
    written.map_err(failed_at("write the manual pages"))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_shown_has_a_page() {
        let directory = tempfile::tempdir().unwrap();
        let out_dir = directory.path().join("pages");
        man(&ManArgs { out_dir: out_dir.clone() }).unwrap();
        assert!(out_dir.join("updater.1").exists());
        for command in Arguments::command().get_subcommands() {
            let page = out_dir.join(format!("updater-{}.1", command.get_name()));
            assert_eq!(page.exists(), !command.is_hide_set(), "{command}");
        }
    }
}
