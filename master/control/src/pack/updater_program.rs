//! Packs an updater, for the updaters themselves.

use std::io;
use std::path::{Path, PathBuf};

use crate::interrupt::CancelToken;
use crate::pack::archive::Archive;
use crate::pack::item::Stamp;
use crate::pack::{PackError, Packed, inflated};

/// Where the program stands in the archive.
const PROGRAM: &str = "bin/updater";

/// The updater that came with the running program: it lies beside it, or where the master's package has it,
/// which must not own the name of a host's own.
pub fn beside_this_program() -> Result<PathBuf, PackError> {
    let program = std::env::current_exe().map_err(PackError::read("/proc/self/exe"))?;
    Ok(came_with(&program))
}

fn came_with(program: &Path) -> PathBuf {
    let beside = program.with_file_name("updater");
    let prefix = program.parent().and_then(Path::parent);
    let packaged = prefix.map(|prefix| prefix.join("lib/swarm/updater"));
    packaged.filter(|packaged| !beside.exists() && packaged.exists()).unwrap_or(beside)
}

/// Looks whether an archive holds an updater: its program, where the updater looks for it.
pub fn check_updater(archive: &Path, cancel: &CancelToken) -> Result<(), PackError> {
    let mut entries = tar::Archive::new(inflated(archive, cancel)?);
    for entry in entries.entries().map_err(PackError::read(archive))? {
        let entry = entry.map_err(PackError::read(archive))?;
        let name = entry.path_bytes();
        let is_program = name.strip_prefix(b"./").unwrap_or(&name) == PROGRAM.as_bytes();
        let executable = entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
        if is_program && executable && entry.header().entry_type().is_file() {
            return Ok(());
        }
    }
    Err(PackError::NotAnUpdater(archive.to_owned()))
}

/// Packs the program at `updater`, and nothing else.
pub fn pack_updater(
    updater: &Path,
    output: &Path,
    cancel: &CancelToken,
) -> Result<Packed, PackError> {
    let absent = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => PackError::NoUpdater(updater.to_owned()),
        _ => PackError::Read { path: updater.to_owned(), source },
    };
    // Where a link names the program, the program is meant.
    let program = updater.canonicalize().map_err(absent)?;
    let stamp = Stamp::of(&program.metadata().map_err(absent)?);
    let mut archive = Archive::create(output, 0, cancel)?;
    archive.file(PROGRAM, &program, true, &stamp)?;
    let written = archive.finish()?;
    Ok(Packed {
        path: output.to_owned(),
        digest: written.digest,
        bytes: written.bytes,
        files: Some(1),
        label: None,
        describe: None,
        name: None,
        version: None,
        migration: None,
        needs_command: false,
        left_out: Vec::new(),
        notices: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_package_s_updater_is_found_where_none_lies_beside() {
        let prefix = tempfile::tempdir().unwrap();
        let (swarm, beside, packaged) = ["bin/swarm", "bin/updater", "lib/swarm/updater"]
            .map(|path| prefix.path().join(path))
            .into();
        assert_eq!(came_with(&swarm), beside);
        fs::create_dir_all(packaged.parent().unwrap()).unwrap();
        fs::write(&packaged, "").unwrap();
        assert_eq!(came_with(&swarm), packaged);
        fs::create_dir_all(beside.parent().unwrap()).unwrap();
        fs::write(&beside, "").unwrap();
        assert_eq!(came_with(&swarm), beside);
    }
}
