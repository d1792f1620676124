//! What git opens by its name has to be a file: at a FIFO of that name it would wait for ever. So all of these
//! are looked at first, and nothing is opened for it.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry, File, FileType};
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::interrupt::CancelToken;
use crate::pack::PackError;
use crate::pack::git::repository::Repository;

/// What git reads in every directory of a work tree. It follows no link there.
const RULES: [&str; 2] = [".gitignore", ".gitattributes"];
/// What it reads of a work tree's own git directory.
const OWN: [&str; 2] = ["HEAD", "index"];
/// What it reads of the git directory that all work trees of a repository share.
pub(super) const SHARED: [&str; 5] = ["refs", "packed-refs", "reftable", "shallow", "info/exclude"];
/// What it reads of a directory of objects, besides those that lie in it one by one.
const OF_OBJECTS: [&str; 2] = ["info", "pack"];
/// Bytes of a list of other directories of objects, at most; and how deep these name others (git follows five).
const ALTERNATES_BYTES: u64 = 64 * 1024;
const ALTERNATES_DEPTH: usize = 8;

/// Refuses what is neither a file nor a directory, where git reads what is in `root`.
pub(super) fn check_plain_files(
    root: &Path,
    repository: &Repository,
    cancel: &CancelToken,
) -> Result<(), PackError> {
    let mut check = Check { cancel, seen: BTreeSet::new() };
    for name in OWN {
        check.all_in(repository.directory.join(name))?;
    }
    for shared_index in entries(&repository.directory).filter(is_shared_index) {
        check.all_in(shared_index.path())?;
    }
    check.all_in(repository.common.join("config"))?;
    for name in SHARED {
        check.all_in(repository.common.join(name))?;
    }
    check.objects(&repository.common.join("objects"), 0)?;
    // Rules hold for what is below them.
    for above in root.ancestors().skip(1).take_while(|above| above.starts_with(&repository.top)) {
        RULES.iter().try_for_each(|name| check_rules(&above.join(name)))?;
    }
    check.work_tree(root)
}

/// What git splits from an index.
pub(super) fn is_shared_index(entry: &DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with("sharedindex.")
}

struct Check<'a> {
    cancel: &'a CancelToken,
    /// Directories that were looked at, by device and inode: links may lead around.
    seen: BTreeSet<(u64, u64)>,
}

impl Check<'_> {
    /// A file, or all that a directory has in it; through links, as git goes. What is not there, or cannot
    /// be looked at, git says itself.
    fn all_in(&mut self, place: PathBuf) -> Result<(), PackError> {
        let mut open = vec![place];
        while let Some(place) = open.pop() {
            self.cancel.check()?;
            let Ok(metadata) = place.metadata() else { continue };
            if metadata.is_dir() {
                if self.seen.insert((metadata.dev(), metadata.ino())) {
                    let is_file = |entry: &DirEntry| entry.file_type().is_ok_and(|it| it.is_file());
                    let inside = entries(&place).filter(|entry| !is_file(entry));
                    open.extend(inside.map(|entry| entry.path()));
                }
            } else if !metadata.is_file() {
                return Err(odd(place, metadata.file_type()));
            }
        }
        Ok(())
    }

    /// A directory of objects, and those that it names.
    fn objects(&mut self, directory: &Path, depth: usize) -> Result<(), PackError> {
        for entry in entries(directory) {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_shard = name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_shard || OF_OBJECTS.contains(&&*name) {
                self.all_in(entry.path())?;
            }
        }
        if depth == ALTERNATES_DEPTH {
            return Ok(());
        }
        // It is a file by now.
        let mut others = String::new();
        let list = File::open(directory.join("info/alternates"));
        let read = list.map(|list| list.take(ALTERNATES_BYTES).read_to_string(&mut others));
        if !matches!(read, Ok(Ok(_))) {
            return Ok(());
        }
        let names = others.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        for name in names {
            self.objects(&directory.join(name.trim_matches('"')), depth + 1)?;
        }
        Ok(())
    }

    /// The rules in a work tree. Of a repository in it, git reads nothing but what is asked of that.
    fn work_tree(&self, root: &Path) -> Result<(), PackError> {
        let mut open = vec![root.to_owned()];
        while let Some(directory) = open.pop() {
            self.cancel.check()?;
            for entry in entries(&directory) {
                let Ok(kind) = entry.file_type() else { continue };
                let name = entry.file_name();
                if kind.is_dir() && name != ".git" {
                    open.push(entry.path());
                } else if RULES.iter().any(|rules| name == *rules) {
                    check_rules(&entry.path())?;
                }
            }
        }
        Ok(())
    }
}

fn check_rules(place: &Path) -> Result<(), PackError> {
    let Ok(metadata) = place.symlink_metadata() else { return Ok(()) };
    let kind = metadata.file_type();
    if kind.is_file() || kind.is_dir() || kind.is_symlink() {
        return Ok(());
    }
    Err(odd(place.to_owned(), kind))
}

/// What is in a directory, as far as it can be read.
fn entries(directory: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    fs::read_dir(directory).into_iter().flatten().flatten()
}

fn odd(path: PathBuf, kind: FileType) -> PackError {
    let kind = if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    PackError::NotPlain { path, kind }
}

#[cfg(test)]
mod tests {
    use explain::Explain as _;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;
    use crate::pack::testing::Tree;

    fn refused(tree: &Tree, path: &str) {
        let error = tree.pack(&[]).unwrap_err();
        let PackError::NotPlain { path: named, kind: "a FIFO" } = &error else {
            panic!("{path}: {error:?}")
        };
        assert!(named.ends_with(path), "{path}: {}", named.display());
        assert!(error.hint().unwrap().contains("remove it"), "{path}");
    }

    #[test]
    fn a_fifo_where_git_opens_a_file_is_refused_and_not_waited_for() {
        for path in [
            ".git/HEAD",
            ".git/config",
            ".git/index",
            ".git/info/exclude",
            ".git/objects/info/alternates",
            ".git/objects/info/commit-graph",
            ".git/objects/pack/pack-1.idx",
            ".git/objects/00/1111",
            ".git/packed-refs",
            ".git/refs/heads/deep/er",
            ".git/refs/tags/v1",
            ".git/sharedindex.1",
            ".git/shallow",
            ".gitattributes",
            ".gitignore",
            "sub/.gitattributes",
            "sub/deep/.gitignore",
        ] {
            let tree = Tree::git(&[("a", "1"), ("sub/deep/b", "1")]);
            let place = tree.path(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            // It may be there, or not.
            let _ = fs::remove_file(&place);
            mkfifo(&place, Mode::S_IRWXU).unwrap();
            refused(&tree, path);
        }
    }

    #[test]
    fn neither_a_link_nor_other_objects_nor_a_submodule_lead_to_one() {
        let elsewhere = tempfile::tempdir().unwrap();
        let fifo = elsewhere.path().join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        let tree = Tree::git(&[("a", "1")]);
        std::os::unix::fs::symlink(&fifo, tree.path(".git/refs/heads/link")).unwrap();
        refused(&tree, ".git/refs/heads/link");

        let tree = Tree::git(&[("a", "1")]);
        let shard = elsewhere.path().join("objects/ab");
        fs::create_dir_all(&shard).unwrap();
        mkfifo(&shard.join("cd"), Mode::S_IRWXU).unwrap();
        let list = format!("# elsewhere\n{}\n", elsewhere.path().join("objects").display());
        tree.write(".git/objects/info/alternates", &list);
        refused(&tree, "objects/ab/cd");

        let tree = Tree::new(&[("sub/a", "1")]);
        for place in ["sub", "."] {
            tree.run(&["-C", place, "init", "-q"]);
            tree.run(&["-C", place, "add", "."]);
            tree.run(&["-C", place, "commit", "-q", "-m", "x"]);
        }
        mkfifo(&tree.path("sub/.git/refs/tags/x"), Mode::S_IRWXU).unwrap();
        refused(&tree, "sub/.git/refs/tags/x");
    }

    #[test]
    fn what_git_does_not_open_may_be_anything() {
        let tree = Tree::git(&[("a", "1")]);
        // As git's own monitor of files leaves it.
        let _socket =
            std::os::unix::net::UnixListener::bind(tree.path(".git/fsmonitor--daemon.ipc"))
                .unwrap();
        std::os::unix::fs::symlink("/dev/null", tree.path(".gitignore")).unwrap();
        assert_eq!(tree.names(&[]), ["a"]);
    }
}
