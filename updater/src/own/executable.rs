//! Which program an updater is, and its first release.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use protocol::{Digest, FORMAT, ReleaseRecord};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::release::{Layout, Slot, make_durable, write_record};
use crate::sys::sync_directory;

/// Where the program lies in a release of the updater.
pub const PROGRAM: &str = "bin/updater";

/// The program that runs, and the release that it is of.
#[derive(Debug, Clone)]
pub struct OwnExecutable {
    /// The file.
    pub path: PathBuf,
    /// Its release; of a program outside of the store, its own SHA-256.
    pub digest: Digest,
}

impl OwnExecutable {
    /// The program of this process.
    pub fn find(layout: &Layout) -> io::Result<Self> {
        let path = fs::canonicalize(std::env::current_exe()?)?;
        let digest = own_digest(layout, &path)?;
        Ok(Self { path, digest })
    }

    /// The program of a slot's release, or this one if there is none.
    pub fn in_slot(layout: &Layout, slot: Slot) -> io::Result<PathBuf> {
        let named = layout.slot(slot)?.map(|digest| layout.release(&digest).join(PROGRAM));
        match named {
            Some(program) if program.is_file() => Ok(program),
            _ => std::env::current_exe(),
        }
    }

    /// Makes what runs now the first release, unless there is one. `known` is called when it is
    /// whole, before anything names it.
    pub fn seed(
        &self,
        layout: &Layout,
        now: OffsetDateTime,
        known: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        if layout.slot(Slot::Active)?.is_some() {
            return Ok(());
        }
        layout.create()?;
        let release = layout.release(&self.digest);
        let program = release.join(PROGRAM);
        fs::create_dir_all(release.join("bin"))?;
        fs::copy(&self.path, &program)?;
        make_durable(&release, std::time::Duration::from_mins(1)).map_err(io::Error::other)?;
        let bytes = fs::metadata(&program)?.len();
        known()?;
        let record = ReleaseRecord {
            format: FORMAT,
            digest: self.digest,
            name: Some("updater".to_owned()),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            sha: None,
            installed_at: now,
            archive_bytes: bytes,
            unpacked_bytes: bytes,
            entries: 1,
            build: "none".to_owned(),
        };
        write_record(&release, &record)?;
        sync_directory(&layout.store())?;
        layout.flip(&self.digest)
    }
}

/// The release that a program is of: the name of its directory in the store, or its SHA-256.
pub fn own_digest(layout: &Layout, program: &Path) -> io::Result<Digest> {
    let store = fs::canonicalize(layout.store()).ok();
    let inside = store.and_then(|store| {
        let name = program.strip_prefix(store).ok()?.components().next()?;
        name.as_os_str().to_str()?.parse().ok()
    });
    match inside {
        Some(digest) => Ok(digest),
        None => hash_file(program),
    }
}

fn hash_file(path: &Path) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    io::copy(&mut fs::File::open(path)?, &mut HashWriter(&mut hasher))?;
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::read_record;

    #[test]
    fn a_program_in_the_store_is_its_release_and_any_other_is_itself() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().join("updater"));
        layout.create().unwrap();
        let outside = directory.path().join("updater-by-hand");
        fs::write(&outside, "program").unwrap();
        let own = OwnExecutable { digest: hash_file(&outside).unwrap(), path: outside };
        assert_eq!(own_digest(&layout, &own.path).unwrap(), own.digest);
        let mut seeds = 0;
        for _ in 0..2 {
            let known = || {
                seeds += 1;
                assert!(read_record(&layout.release(&own.digest)).is_err());
                Ok(())
            };
            own.seed(&layout, OffsetDateTime::UNIX_EPOCH, known).unwrap();
        }
        assert_eq!(seeds, 1);
        let active = OwnExecutable::in_slot(&layout, Slot::Active).unwrap();
        assert_eq!(own_digest(&layout, &fs::canonicalize(&active).unwrap()).unwrap(), own.digest);
        assert_eq!(fs::read_to_string(active).unwrap(), "program");
    }
}
