//! Packs an updater, for the updaters themselves.

use std::io;
use std::path::{Path, PathBuf};

use crate::interrupt::CancelToken;
use crate::pack::archive::Archive;
use crate::pack::item::Stamp;
use crate::pack::{PackError, Packed, inflated};

/// Where the program stands in the archive.
const PROGRAM: &str = "bin/updater";

/// The updater that lies beside the running program.
pub fn beside_this_program() -> Result<PathBuf, PackError> {
    let program = std::env::current_exe().map_err(PackError::read("/proc/self/exe"))?;
    Ok(program.with_file_name("updater"))
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
