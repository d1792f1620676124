//! Which program an updater is, and its first release.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use common::sync_directory;
use protocol::{BuildKind, Digest, FORMAT, ReleaseRecord};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::release::{Layout, NameLength, Slot, make_durable, write_record};

/// Where the program lies in a release of the updater.
pub const PROGRAM: &str = "bin/updater";

/// The program that runs, and the release that it is of.
#[derive(Debug, Clone)]
pub struct OwnExecutable {
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

    /// Makes what runs now the first release, unless there is one that was pushed: one that an older
    /// package brought is followed by this. `known` is called when it is whole, before anything
    /// names it.
    pub fn seed(
        &self,
        layout: &Layout,
        length: NameLength,
        now: OffsetDateTime,
        known: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let before = layout.slot(Slot::Active)?;
        if let Some(active) = before
            && (active == self.digest
                || hash_file(&layout.release(&active).join(PROGRAM))? != active)
        {
            return Ok(());
        }
        layout.create()?;
        let release = layout.name(&self.digest, length)?;
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
            build: BuildKind::None,
            files_alone: false,
            built_with: None,
            ignored_lock: None,
            commit: None,
            describe: None,
            units: BTreeMap::new(),
        };
        write_record(&release, &record)?;
        sync_directory(&layout.store())?;
        layout.flip(&self.digest)?;
        // Only now: the two must never be the same.
        before.map_or(Ok(()), |before| layout.set_prev(Some(&before)))
    }
}

/// What a program is built for, where that is not what this one is built for. Of what is no ELF file,
/// a script mostly, nothing is known.
pub(super) fn foreign_machine(program: &Path) -> io::Result<Option<Foreign>> {
    let theirs = elf_machine(program)?;
    let ours = elf_machine(Path::new("/proc/self/exe"))?;
    Ok(theirs
        .zip(ours)
        .filter(|(theirs, ours)| theirs != ours)
        .map(|(theirs, ours)| Foreign { theirs: machine_name(theirs), ours: machine_name(ours) }))
}

/// Two machines, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// What the program is built for.
    pub theirs: String,
    /// What this host is.
    pub ours: String,
}

/// Word size, byte order and `e_machine` of an ELF file: elf(5).
fn elf_machine(program: &Path) -> io::Result<Option<[u8; 4]>> {
    let mut head = [0; 20];
    match io::Read::read_exact(&mut fs::File::open(program)?, &mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    Ok(head.starts_with(b"\x7fELF").then_some([head[4], head[5], head[18], head[19]]))
}

fn machine_name(machine: [u8; 4]) -> String {
    match machine {
        [2, 1, 62, 0] => "x86_64".to_owned(),
        [2, 1, 183, 0] => "aarch64".to_owned(),
        [1, 1, 40, 0] => "arm".to_owned(),
        [2, 1, 243, 0] => "riscv64".to_owned(),
        other => format!("a machine whose ELF header says {}", hex::encode(other)),
    }
}

/// The release that a program is of: what the name of its directory in the store stands for, or its
/// SHA-256.
pub fn own_digest(layout: &Layout, program: &Path) -> io::Result<Digest> {
    let store = fs::canonicalize(layout.store()).ok();
    let inside = store.and_then(|store| {
        let name = program.strip_prefix(store).ok()?.components().next()?;
        layout.digest_named(name.as_os_str().to_str()?)
    });
    match inside {
        Some(digest) => Ok(digest),
        None => hash_file(program),
    }
}

pub(super) fn hash_file(path: &Path) -> io::Result<Digest> {
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
    fn a_program_for_another_machine_is_known_before_it_is_tried() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("updater");
        let mut bytes = fs::read("/proc/self/exe").unwrap()[..64].to_vec();
        fs::write(&program, &bytes).unwrap();
        assert_eq!(foreign_machine(&program).unwrap(), None);
        bytes[18..20].copy_from_slice(&[22, 0]);
        fs::write(&program, &bytes).unwrap();
        let foreign = foreign_machine(&program).unwrap().unwrap();
        assert!(foreign.theirs.contains("1600"), "{foreign:?}");
        for script in ["#!/bin/sh\n", "#!/bin/sh\n# longer than the head of an ELF file\n"] {
            fs::write(&program, script).unwrap();
            assert_eq!(foreign_machine(&program).unwrap(), None);
        }
    }

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
            own.seed(&layout, NameLength::Short, OffsetDateTime::UNIX_EPOCH, known).unwrap();
        }
        assert_eq!(seeds, 1);
        let active = OwnExecutable::in_slot(&layout, Slot::Active).unwrap();
        assert_eq!(own_digest(&layout, &fs::canonicalize(&active).unwrap()).unwrap(), own.digest);
        assert_eq!(fs::read_to_string(active).unwrap(), "program");

        // The package is upgraded.
        let newer = directory.path().join("newer");
        fs::write(&newer, "newer").unwrap();
        let newer = OwnExecutable { digest: hash_file(&newer).unwrap(), path: newer };
        newer.seed(&layout, NameLength::Whole, OffsetDateTime::UNIX_EPOCH, || Ok(())).unwrap();
        assert_eq!(layout.slot(Slot::Active).unwrap(), Some(newer.digest));
        assert_eq!(layout.slot(Slot::Prev).unwrap(), Some(own.digest));
    }
}
