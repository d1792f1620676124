//! One hash for all that a tree is: names, modes, bytes, link targets. Owners and times are left
//! out, so that the same release has the same hash on every host.

use std::collections::HashSet;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use protocol::Digest;
use sha2::{Digest as _, Sha256};
use sys::printable_name;

use crate::release::tree::TreeError;
use crate::release::tree::walk::{Step, WalkEntry, root_failed, walk};
use crate::sys::fs::{self, Kind};

/// The first bytes that are hashed. Hashes are kept on disk: another order or choice of what is
/// hashed needs another number here.
const VERSION: &[u8] = b"tree 1\n";
/// Files are read with this many threads.
const THREADS: usize = 2;
/// Bytes that are read at once.
const BUFFER_BYTES: usize = 128 << 10;

/// What a tree consists of, in the order of the names.
pub struct TreeList(Vec<Entry>);

impl TreeList {
    /// Reads what is in `directory`, but for the paths in `skip`, which are relative to it, and what is
    /// below them.
    pub fn read(directory: &Path, skip: &[String]) -> Result<Self, TreeError> {
        let root = fs::open_directory(directory).map_err(root_failed("open"))?;
        let skip: Vec<&str> = skip.iter().map(|path| path.trim_end_matches('/')).collect();
        let mut entries = Vec::new();
        let mut skipping = None;
        walk(root.as_fd(), &mut |step, found| {
            match (step, &skipping) {
                (Step::Leave, Some(path)) if *path == found.path => skipping = None,
                (_, Some(_)) | (Step::Leave, None) => {}
                (_, None) if skip.iter().any(|path| path.as_bytes() == found.path) => {
                    skipping = (step == Step::Enter).then(|| found.path.to_vec());
                }
                (_, None) => entries.push(Entry::new(found)?),
            }
            Ok(())
        })?;
        hash_files(root.as_fd(), &mut entries)?;
        Ok(Self(entries))
    }

    /// One hash for all of it.
    pub fn hash(&self) -> Digest {
        let mut hasher = Sha256::new_with_prefix(VERSION);
        for entry in &self.0 {
            hasher.update(&entry.head);
            hasher.update(&entry.content);
        }
        Digest::from_bytes(hasher.finalize().into())
    }

    /// All of it, to be kept: of each entry its head and its content, in hexadecimal digits, each ended by
    /// a NUL.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in &self.0 {
            bytes.extend_from_slice(&entry.head);
            bytes.extend(hexadecimal(&entry.content));
            bytes.push(0);
        }
        bytes
    }

    /// The first path of a list that was kept which is not there any more, or is another one.
    pub fn first_lost(&self, kept: &[u8]) -> Option<String> {
        let own = self.to_bytes();
        let own: HashSet<_> = pairs(&own).collect();
        let lost = pairs(kept).find(|pair| !own.contains(pair))?;
        Some(printable_name(path_of(lost.0)))
    }
}

/// Hashes what is in `directory`, but for the paths in `skip`, which are relative to it, and what
/// is below them.
#[cfg(test)]
fn tree_hash(directory: &Path, skip: &[String]) -> Result<Digest, TreeError> {
    Ok(TreeList::read(directory, skip)?.hash())
}

/// Heads and contents of a list.
fn pairs(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut parts = bytes.split(|byte| *byte == 0);
    std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
}

fn hexadecimal(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let digit = |number: u8| b"0123456789abcdef"[usize::from(number & 15)];
    bytes.iter().flat_map(move |byte| [digit(byte >> 4), digit(*byte)])
}

/// The path in a head.
fn path_of(head: &[u8]) -> &[u8] {
    let start = head.splitn(3, |byte| *byte == b' ').last().unwrap_or_default();
    start.strip_suffix(b"\0").unwrap_or(start)
}

struct Entry {
    /// Kind, mode and path, ended by a NUL.
    head: Vec<u8>,
    is_file: bool,
    /// The hash of a file's bytes; a link's target, ended by a NUL.
    content: Vec<u8>,
}

impl Entry {
    fn new(found: &WalkEntry<'_>) -> Result<Self, TreeError> {
        let mode = found.status.mode;
        let (letter, content) = match found.status.kind {
            Kind::File => ("f", Vec::new()),
            Kind::Directory => ("d", Vec::new()),
            Kind::Link => {
                let target = rustix::fs::readlinkat(found.parent, found.name, Vec::new())
                    .map_err(|error| found.failed("read")(error.into()))?;
                ("l", target.into_bytes_with_nul())
            }
            Kind::Special => return Err(TreeError::Special(printable_name(found.path))),
        };
        let mut head = format!("{letter} {mode:o} ").into_bytes();
        head.extend_from_slice(found.path);
        head.push(0);
        Ok(Self { head, is_file: found.status.kind == Kind::File, content })
    }

    fn path(&self) -> &[u8] {
        path_of(&self.head)
    }
}

fn hash_files(root: BorrowedFd<'_>, entries: &mut [Entry]) -> Result<(), TreeError> {
    let next = AtomicUsize::new(0);
    let shared = &*entries;
    let hashed: Vec<_> = thread::scope(|scope| {
        let work = || hash_some(root, shared, &next);
        // Where the system has no more threads, this one does it all.
        let more = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let threads: Vec<_> = (1..THREADS).filter_map(more).collect();
        let own = hash_some(root, shared, &next);
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(hashed) => hashed,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        std::iter::once(own).chain(joined).collect()
    });
    for part in hashed {
        for (index, hash) in part? {
            entries[index].content = hash.to_vec();
        }
    }
    Ok(())
}

type Hashed = Vec<(usize, [u8; 32])>;

fn hash_some(
    root: BorrowedFd<'_>,
    entries: &[Entry],
    next: &AtomicUsize,
) -> Result<Hashed, TreeError> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut hashed = Vec::new();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(entry) = entries.get(index) else { return Ok(hashed) };
        if entry.is_file {
            let path = entry.path();
            let hash = hash_file(root, path, &mut buffer).map_err(|source| TreeError::Io {
                what: "read",
                path: printable_name(path),
                source,
            })?;
            hashed.push((index, hash));
        }
    }
}

fn hash_file(root: BorrowedFd<'_>, path: &[u8], buffer: &mut [u8]) -> io::Result<[u8; 32]> {
    let mut file = fs::open_file_at(root, path)?;
    let mut hasher = Sha256::new();
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(number) => hasher.update(&buffer[..number]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir, create_dir_all, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        create_dir_all(root.path().join("a/b")).unwrap();
        write(root.path().join("a/b/file"), "x").unwrap();
        write(root.path().join("a c"), "y").unwrap();
        symlink("a/b", root.path().join("link")).unwrap();
        root
    }

    fn hash(root: &tempfile::TempDir) -> Digest {
        tree_hash(root.path(), &[]).unwrap()
    }

    #[test]
    fn equal_trees_have_equal_hashes_and_others_do_not() {
        let first = hash(&tree());
        assert_eq!(first, hash(&tree()));
        let changes: [fn(&Path); 7] = [
            |root| write(root.join("a/b/file"), "z").unwrap(),
            |root| write(root.join("new"), "").unwrap(),
            |root| create_dir(root.join("new")).unwrap(),
            |root| std::fs::rename(root.join("a c"), root.join("ac")).unwrap(),
            |root| std::fs::remove_file(root.join("link")).unwrap(),
            |root| {
                std::fs::remove_file(root.join("link")).unwrap();
                symlink("a/c", root.join("link")).unwrap();
            },
            |root| {
                set_permissions(root.join("a c"), PermissionsExt::from_mode(0o755)).unwrap();
            },
        ];
        for change in changes {
            let root = tree();
            change(root.path());
            assert_ne!(first, hash(&root));
        }
    }

    #[test]
    fn what_is_skipped_does_not_count() {
        let root = tree();
        let skip = [".release.json".to_owned(), "a/data/".to_owned(), "env".to_owned()];
        let first = tree_hash(root.path(), &skip).unwrap();
        write(root.path().join(".release.json"), "{}").unwrap();
        symlink("/etc", root.path().join("a/data")).unwrap();
        create_dir_all(root.path().join("env/b")).unwrap();
        write(root.path().join("env/b/x"), "x").unwrap();
        assert_eq!(tree_hash(root.path(), &skip).unwrap(), first);
        assert_ne!(hash(&root), first);
    }

    #[test]
    fn what_is_lost_or_changed_is_named_and_what_was_added_is_not() {
        let read = |root: &tempfile::TempDir| TreeList::read(root.path(), &[]).unwrap();
        let root = tree();
        let kept = read(&root).to_bytes();
        assert_eq!(read(&root).first_lost(&kept), None);
        write(root.path().join("new"), "").unwrap();
        assert_ne!(read(&root).hash(), hash(&tree()));
        assert_eq!(read(&root).first_lost(&kept), None);
        write(root.path().join("a/b/file"), "z").unwrap();
        assert_eq!(read(&root).first_lost(&kept).unwrap(), "a/b/file");
        let changes: [fn(&Path); 3] = [
            |root| std::fs::remove_file(root.join("link")).unwrap(),
            |root| std::fs::remove_file(root.join("a c")).unwrap(),
            |root| set_permissions(root.join("a c"), PermissionsExt::from_mode(0o755)).unwrap(),
        ];
        for change in changes {
            let root = tree();
            change(root.path());
            assert!(read(&root).first_lost(&kept).is_some());
        }
    }
}
