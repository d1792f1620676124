//! The walk through a tree, by handles, in the order of the names.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use sys::printable_name;

use crate::sys::fs::{self, Kind, Status};

/// Directories in each other, at most: each of them is an open handle while the walk is in it.
const DEPTH: usize = 128;
/// Files, links and directories in a tree, at most: their names are held in memory, and a build
/// makes as many as the disk has room for.
const MOST: usize = 1_000_000;

/// Why something could not be done to a tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    #[error("{what} {path}")]
    Io {
        what: &'static str,
        /// On what, relative to the tree.
        path: String,
        source: io::Error,
    },
    /// A device, a FIFO or a socket.
    #[error("keep {0}: a release must not have devices, FIFOs or sockets")]
    Special(String),
    /// A file that has another name outside of the tree, through which it could change.
    #[error("keep {0}: it is a hardlink to a file outside of the release")]
    Hardlink(String),
    /// More directories in each other than anything needs.
    #[error("enter {0}: a release has at most {DEPTH} directories in each other")]
    TooDeep(String),
    /// More of everything than anything needs.
    #[error("keep the release: it has more than {0} files and directories")]
    TooMany(usize),
}

impl TreeError {
    /// An error about a tree itself, and what it is called.
    pub fn of(what: &'static str, tree: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { what, path: tree.to_owned(), source }
    }
}

/// Something in a tree.
pub(super) struct WalkEntry<'walk> {
    /// The directory that it is in.
    pub(super) parent: BorrowedFd<'walk>,
    pub(super) name: &'walk CStr,
    /// Its path, relative to the tree.
    pub(super) path: &'walk [u8],
    pub(super) status: Status,
}

impl WalkEntry<'_> {
    /// An error about it.
    pub(super) fn failed(&self, what: &'static str) -> impl FnOnce(io::Error) -> TreeError + use<> {
        failed(what, self.path)
    }
}

fn failed(what: &'static str, path: &[u8]) -> impl FnOnce(io::Error) -> TreeError + use<> {
    let path = printable_name(path);
    move |source| TreeError::Io { what, path, source }
}

/// A step of the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Something that is no directory.
    Leaf,
    /// A directory whose content comes next.
    Enter,
    /// A directory whose content is done.
    Leave,
}

/// An error about the tree itself.
pub(super) fn root_failed(what: &'static str) -> impl Fn(io::Error) -> TreeError {
    TreeError::of(what, "the release")
}

/// Visits all that is in `root`.
pub(super) fn walk(root: BorrowedFd<'_>, visit: Visit<'_>) -> Result<(), TreeError> {
    walk_most(root, MOST, visit)
}

type Visit<'visit> = &'visit mut dyn FnMut(Step, &WalkEntry<'_>) -> Result<(), TreeError>;

fn walk_most(root: BorrowedFd<'_>, most: usize, visit: Visit<'_>) -> Result<(), TreeError> {
    let mut quota = Quota { most, left: most };
    let names = quota.names(root, root_failed("list"))?;
    descend(root, names, &mut Vec::new(), 0, &mut quota, visit)
}

/// How many more names there may be.
struct Quota {
    most: usize,
    left: usize,
}

impl Quota {
    fn names(
        &mut self,
        directory: BorrowedFd<'_>,
        failed: impl FnOnce(io::Error) -> TreeError,
    ) -> Result<Vec<CString>, TreeError> {
        let names = fs::names(directory, self.left + 1).map_err(failed)?;
        self.left = self.left.checked_sub(names.len()).ok_or(TreeError::TooMany(self.most))?;
        Ok(names)
    }
}

fn descend(
    parent: BorrowedFd<'_>,
    names: Vec<CString>,
    path: &mut Vec<u8>,
    depth: usize,
    quota: &mut Quota,
    visit: Visit<'_>,
) -> Result<(), TreeError> {
    let base = path.len();
    for name in names {
        if base > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        let status = fs::status_at(parent, &*name).map_err(failed("look at", path))?;
        if status.kind == Kind::Directory {
            if depth == DEPTH {
                return Err(TreeError::TooDeep(printable_name(path)));
            }
            visit(Step::Enter, &WalkEntry { parent, name: &name, path, status })?;
            let opened = fs::open_directory_at(parent, &*name).map_err(failed("open", path))?;
            let inside = quota.names(opened.as_fd(), failed("list", path))?;
            descend(opened.as_fd(), inside, path, depth + 1, quota, visit)?;
            visit(Step::Leave, &WalkEntry { parent, name: &name, path, status })?;
        } else {
            visit(Step::Leaf, &WalkEntry { parent, name: &name, path, status })?;
        }
        path.truncate(base);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_too_many_names_is_not_walked() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("a")).unwrap();
        std::fs::write(tree.path().join("a/b"), "").unwrap();
        std::fs::write(tree.path().join("c"), "").unwrap();
        let root = fs::open_directory(tree.path()).unwrap();
        let mut seen = 0;
        let mut walk = |most| {
            walk_most(root.as_fd(), most, &mut |step, _| {
                seen += usize::from(step != Step::Leave);
                Ok(())
            })
        };
        walk(3).unwrap();
        assert!(matches!(walk(2), Err(TreeError::TooMany(2))));
        assert!(matches!(walk(1), Err(TreeError::TooMany(1))));
        assert_eq!(seen, 4);
    }
}
