//! Removing a tree, however deep, whatever user made it.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Mode, Uid};
use rustix::io::Errno;

use crate::sys::fs;

/// A directory that is deeper than this is moved to the top first, so that neither open handles
/// nor the stack can be used up.
const DEPTH: usize = 64;
/// Names of one directory that are held at once: a build may have made millions.
const AT_ONCE: usize = 10_000;
/// How often the top is looked at again. Each look removes [`DEPTH`] levels, and [`AT_ONCE`] names of
/// each directory.
const ROUNDS: usize = 100_000;
/// What the owner needs to remove what is in a directory.
const OWNER_ALL: u32 = 0o700;

/// Removes `path` and all that is in it, without following a link and without leaving its file
/// system. What is not there, or goes meanwhile, is fine; so are directories that are read-only.
///
/// Its user may still run, and fill it as fast as it is emptied. So, from the top down, each
/// directory is taken from that user before what is in it is listed.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let parent = match fs::open_directory(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let name = std::ffi::CString::new(name.as_encoded_bytes())?;
    if !is_directory_after_unlink(parent.as_fd(), &name)? {
        return Ok(());
    }
    let Some(top) = open(parent.as_fd(), &name)? else { return Ok(()) };
    for round in 0..ROUNDS {
        empty(top.as_fd(), top.as_fd(), 0, round)?;
        match rustix::fs::unlinkat(&parent, &*name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // Directories that were moved to the top, or more names than are held at once.
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::ErrorKind::DirectoryNotEmpty.into())
}

fn empty(
    directory: BorrowedFd<'_>,
    top: BorrowedFd<'_>,
    depth: usize,
    round: usize,
) -> io::Result<()> {
    for (number, name) in fs::names(directory, AT_ONCE)?.into_iter().enumerate() {
        if !is_directory_after_unlink(directory, &name)? {
            continue;
        }
        if depth >= DEPTH {
            fs::force_mode(directory, &*name, OWNER_ALL)?;
            let moved = format!(".removed-{round}-{number}-{}", fs::status(directory)?.inode);
            rustix::fs::renameat(directory, &*name, top, moved)?;
            continue;
        }
        let Some(inside) = open(directory, &name)? else { continue };
        empty(inside.as_fd(), top, depth + 1, round)?;
        match rustix::fs::unlinkat(directory, &*name, AtFlags::REMOVEDIR) {
            // Not empty: the next round comes back.
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Removes a name unless it is a directory's, which is what the answer says.
pub(super) fn is_directory_after_unlink(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<bool> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(false),
        Err(Errno::ISDIR) => Ok(true),
        // The directory that it is in is read-only, even for its owner.
        Err(Errno::ACCESS | Errno::PERM) => {
            if fs::status_at(parent, name)?.kind == fs::Kind::Directory {
                make_writable(parent)?;
                return Ok(true);
            }
            make_writable(parent)?;
            match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => Ok(false),
                Err(error) => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn make_writable(directory: BorrowedFd<'_>) -> io::Result<()> {
    let mode = fs::status(directory)?.mode;
    if mode & OWNER_ALL == OWNER_ALL {
        // Its mode is not the reason.
        return Ok(());
    }
    Ok(rustix::fs::fchmod(directory, Mode::from_raw_mode(mode | OWNER_ALL))?)
}

/// Opens a directory that only this process's user can put something into from now on.
fn open(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<Option<OwnedFd>> {
    let opened = match fs::open_directory_at(parent, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fs::force_mode(parent, name, OWNER_ALL)?;
            fs::open_directory_at(parent, name)?
        }
        opened => opened?,
    };
    if rustix::process::geteuid().is_root() {
        rustix::fs::fchown(&opened, Some(Uid::ROOT), Some(Gid::ROOT))?;
        rustix::fs::fchmod(&opened, Mode::from_raw_mode(OWNER_ALL))?;
    }
    Ok(Some(opened))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn links_are_removed_and_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let outside = root.path().join("outside");
        let tree = root.path().join("tree");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("mine"), "x").unwrap();
        std::fs::create_dir_all(tree.join("a/b")).unwrap();
        symlink(&outside, tree.join("a/out")).unwrap();
        symlink(&outside, tree.join("dangling")).unwrap();
        std::fs::write(tree.join("a/b/file"), "x").unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        assert!(outside.join("mine").exists());

        symlink(&outside, &tree).unwrap();
        remove_tree(&tree).unwrap();
        assert!(std::fs::symlink_metadata(&tree).is_err());
        assert!(outside.join("mine").exists());
    }

    #[test]
    fn what_is_not_there_is_fine() {
        let root = tempfile::tempdir().unwrap();
        remove_tree(&root.path().join("absent")).unwrap();
        remove_tree(&root.path().join("absent/too")).unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, "x").unwrap();
        remove_tree(&file).unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn a_directory_is_taken_from_its_user_before_it_is_emptied() {
        if skip::skipped_without_root() {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        std::fs::set_permissions(&tree, PermissionsExt::from_mode(0o777)).unwrap();
        std::os::unix::fs::chown(&tree, Some(4242), Some(4242)).unwrap();
        let parent = fs::open_directory(root.path()).unwrap();
        open(parent.as_fd(), c"tree").unwrap().unwrap();
        let taken = tree.metadata().unwrap();
        assert_eq!((taken.uid(), taken.gid(), taken.mode() & 0o7777), (0, 0, 0o700));
    }

    #[test]
    fn read_only_directories_go_too() {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        std::fs::create_dir_all(tree.join("a/b/c")).unwrap();
        std::fs::write(tree.join("a/b/file"), "x").unwrap();
        for (name, mode) in [("a/b", 0o000), ("a", 0o555), ("", 0o500)] {
            std::fs::set_permissions(tree.join(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn a_directory_of_more_names_than_are_held_at_once_goes_too() {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        std::fs::create_dir_all(tree.join("a")).unwrap();
        let handle = fs::open_directory(&tree.join("a")).unwrap();
        for number in 0..=AT_ONCE {
            fs::create_file_at(&handle, number.to_string(), 0o644).unwrap();
        }
        assert_eq!(fs::names(&handle, AT_ONCE).unwrap().len(), AT_ONCE);
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn a_tree_deeper_than_the_stack_or_the_handles_goes_too() {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        let mut handle = fs::open_directory(&tree).unwrap();
        for _ in 0..5000 {
            handle = fs::create_directory_at(&handle, "deep", 0o755).unwrap();
        }
        fs::create_file_at(&handle, "file", 0o644).unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }
}
