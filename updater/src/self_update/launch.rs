//! What a unit starts is the program of the package, which is part of no release. It becomes the
//! program of the active release, if there is one. So a unit's file never changes, and where no
//! release can be run, the package's program is the updater.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::config::SelfConfig;
use crate::release::{Layout, Slot};
use crate::self_update::executable::{OwnExecutable, PROGRAM, hash_file};

/// Becomes the program of the active release, with the same arguments, environment and descriptors;
/// returns if this is to be the updater itself.
pub fn become_active(config: &Path) {
    let layout = Layout::new(own_install_dir(config));
    match active_program(&layout) {
        Ok(Some(program)) => {
            let error = Command::new(&program).args(std::env::args_os().skip(1)).exec();
            tracing::error!("{} cannot be run, going on without it: {error}", program.display());
        }
        Ok(None) => {}
        Err(error) => {
            tracing::error!("the active release of the updater cannot be seen: {error}");
        }
    }
}

/// Whatever else is in the file: the release may know keys that this program does not.
fn own_install_dir(config: &Path) -> PathBuf {
    let text = fs::read_to_string(config).unwrap_or_default();
    let table: toml::Table = text.parse().unwrap_or_default();
    let named = table.get("self").and_then(|own| own.get("install_dir")?.as_str());
    named.map_or_else(|| SelfConfig::default().install_dir, PathBuf::from)
}

/// The active release's program, where that is to run in place of this one. What an earlier package
/// brought is not: this one is newer.
fn active_program(layout: &Layout) -> io::Result<Option<PathBuf>> {
    let own = OwnExecutable::find(layout)?;
    let Some(active) = layout.slot(Slot::Active)? else { return Ok(None) };
    let program = layout.release(&active).join(PROGRAM);
    if own.path.starts_with(fs::canonicalize(layout.store())?) || !program.is_file() {
        return Ok(None);
    }
    let packaged = active == own.digest || hash_file(&program)? == active;
    Ok((!packaged).then_some(program))
}

#[cfg(test)]
mod tests {
    use protocol::Digest;

    use super::*;

    #[test]
    fn the_install_directory_is_found_in_a_file_of_another_version() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("updater.toml");
        assert_eq!(own_install_dir(&config), Path::new("/opt/updater"));
        fs::write(&config, "novelty = 1\n[self]\ninstall_dir = '/srv/updater'\n").unwrap();
        assert_eq!(own_install_dir(&config), Path::new("/srv/updater"));
    }

    #[test]
    fn a_release_that_was_pushed_runs_in_place_of_the_package_and_an_older_package_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path());
        layout.create().unwrap();
        assert_eq!(active_program(&layout).unwrap(), None);
        let install = |digest: &Digest| {
            let program = layout.release(digest).join(PROGRAM);
            fs::create_dir_all(program.parent().unwrap()).unwrap();
            fs::write(&program, "a program").unwrap();
            layout.flip(digest).unwrap();
            program
        };
        let pushed = install(&Digest::from_bytes([7; 32]));
        assert_eq!(active_program(&layout).unwrap(), Some(pushed));
        let seeded = directory.path().join("seeded");
        fs::write(&seeded, "a program").unwrap();
        install(&hash_file(&seeded).unwrap());
        assert_eq!(active_program(&layout).unwrap(), None);
    }
}
