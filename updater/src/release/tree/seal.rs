//! Whose a tree is: the app's user's while it is built, root's and read-only from then on.
//!
//! A build is foreign code, and something of its user may still run: no step trusts a name in a
//! directory that this user can still write to.

use std::collections::HashMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Mode, Uid};

use crate::release::archive::shown;
use crate::release::staging::{EXECUTABLE, PLAIN};
use crate::release::tree::TreeError;
use crate::release::tree::walk::{Found, Step, root_failed, walk};
use crate::sys::fs::{self, Kind};

/// Gives a tree to a user, links themselves included. Needs root.
///
/// From the leaves up: what is in a directory has been dealt with before the user can put
/// something else in its place.
pub fn own_tree(directory: &Path, user: u32, group: u32) -> Result<(), TreeError> {
    let owner = (Uid::from_raw(user), Gid::from_raw(group));
    let root = fs::open_directory(directory).map_err(root_failed("open"))?;
    walk(root.as_fd(), &mut |step, found| match step {
        Step::Enter => Ok(()),
        Step::Leaf | Step::Leave => give(found, owner),
    })?;
    give_root(&root, owner)
}

/// Makes a tree what a release is: owned by root, where this process is root; directories and
/// executable files 0755, other files 0644. Refuses devices, FIFOs, sockets, and files that have
/// another name outside of the tree.
pub fn seal_tree(directory: &Path) -> Result<(), TreeError> {
    let root = fs::open_directory(directory).map_err(root_failed("open"))?;
    let owner = rustix::process::geteuid().is_root().then_some((Uid::ROOT, Gid::ROOT));
    if let Some(owner) = owner {
        give_root(&root, owner)?;
    }
    rustix::fs::fchmod(&root, Mode::from_raw_mode(EXECUTABLE))
        .map_err(|error| root_failed("seal")(error.into()))?;
    let mut shared = HashMap::new();
    // From the top down: no name in a directory can change once the directory is ours.
    walk(root.as_fd(), &mut |step, found| match (step, found.status.kind) {
        (Step::Leave, _) => Ok(()),
        (_, Kind::Special) => Err(TreeError::Special(shown(found.path))),
        (_, Kind::File) if found.status.links > 1 => {
            let names: &mut Vec<Vec<u8>> =
                shared.entry(found.status.inode).or_insert_with(Vec::new);
            names.push(found.path.to_vec());
            Ok(())
        }
        (_, Kind::Link) => owner.map_or(Ok(()), |owner| give(found, owner)),
        (_, Kind::File | Kind::Directory) => {
            if let Some(owner) = owner {
                give(found, owner)?;
            }
            let mode = sealed_mode(found.status.mode, found.status.kind);
            fs::force_mode(found.parent, found.name, mode).map_err(found.failed("seal"))
        }
    })?;
    shared.into_values().try_for_each(|names| seal_shared(&root, &names, owner))
}

/// Seals a file with several names, such as compilers make. All of them must be in the tree.
fn seal_shared(
    root: &OwnedFd,
    names: &[Vec<u8>],
    owner: Option<(Uid, Gid)>,
) -> Result<(), TreeError> {
    let Some(path) = names.first() else { return Ok(()) };
    let fail = |source| TreeError::Io { what: "seal", path: shown(path), source };
    let handle = fs::open_any_at(root, &path[..]).map_err(fail)?;
    let status = fs::status(&handle).map_err(fail)?;
    if status.links != names.len() as u64 {
        return Err(TreeError::Hardlink(shown(path)));
    }
    if let Some((user, group)) = owner {
        let flags = AtFlags::EMPTY_PATH;
        rustix::fs::chownat(&handle, "", Some(user), Some(group), flags)
            .map_err(|error| fail(error.into()))?;
    }
    fs::set_mode(&handle, sealed_mode(status.mode, status.kind)).map_err(fail)
}

fn sealed_mode(mode: u32, kind: Kind) -> u32 {
    if kind == Kind::Directory || mode & 0o111 != 0 { EXECUTABLE } else { PLAIN }
}

fn give(found: &Found<'_>, (user, group): (Uid, Gid)) -> Result<(), TreeError> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(found.parent, found.name, Some(user), Some(group), flags)
        .map_err(|error| found.failed("give")(error.into()))
}

fn give_root(root: &OwnedFd, (user, group): (Uid, Gid)) -> Result<(), TreeError> {
    rustix::fs::fchown(root, Some(user), Some(group))
        .map_err(|error| root_failed("give")(error.into()))
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, hard_link, set_permissions, symlink_metadata, write};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};

    use super::*;

    fn tree() -> (tempfile::TempDir, std::path::PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        create_dir_all(tree.join("bin")).unwrap();
        for (name, mode) in [("bin/run", 0o6777), ("secret", 0o600), ("none", 0o000)] {
            write(tree.join(name), "x").unwrap();
            set_permissions(tree.join(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        symlink("/etc/passwd", tree.join("link")).unwrap();
        set_permissions(tree.join("bin"), PermissionsExt::from_mode(0o2777)).unwrap();
        (root, tree)
    }

    fn mode(path: &Path) -> u32 {
        symlink_metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_sealed_tree_can_be_read_by_all_and_written_by_none_but_its_owner() {
        let (_root, tree) = tree();
        hard_link(tree.join("secret"), tree.join("bin/again")).unwrap();
        let before = mode(Path::new("/etc/passwd"));
        seal_tree(&tree).unwrap();
        let names = ["bin", "bin/run", "secret", "bin/again", "none", ""];
        let modes = names.map(|name| mode(&tree.join(name)));
        assert_eq!(modes, [0o755, 0o755, 0o644, 0o644, 0o644, 0o755]);
        assert_eq!(mode(Path::new("/etc/passwd")), before);
        let owner = symlink_metadata(tree.join("link")).unwrap().uid();
        assert_eq!(owner, rustix::process::geteuid().as_raw());
    }

    #[test]
    fn a_name_outside_of_the_tree_and_special_files_are_refused() {
        let (root, first) = tree();
        write(root.path().join("outside"), "x").unwrap();
        set_permissions(root.path().join("outside"), PermissionsExt::from_mode(0o600)).unwrap();
        hard_link(root.path().join("outside"), first.join("inside")).unwrap();
        let error = seal_tree(&first).unwrap_err();
        assert!(matches!(&error, TreeError::Hardlink(path) if path == "inside"), "{error}");
        assert_eq!(mode(&root.path().join("outside")), 0o600);

        let (_root, second) = tree();
        let _socket = std::os::unix::net::UnixListener::bind(second.join("socket")).unwrap();
        let error = seal_tree(&second).unwrap_err();
        assert!(matches!(&error, TreeError::Special(path) if path == "socket"), "{error}");
    }

    #[test]
    fn a_tree_is_given_away_and_taken_back() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let (_root, tree) = tree();
        let passwd = symlink_metadata("/etc/passwd").unwrap().uid();
        own_tree(&tree, 4242, 4243).unwrap();
        for name in ["", "bin", "bin/run", "link", "none"] {
            let metadata = symlink_metadata(tree.join(name)).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (4242, 4243), "{name}");
        }
        assert_eq!(symlink_metadata("/etc/passwd").unwrap().uid(), passwd);
        seal_tree(&tree).unwrap();
        for name in ["", "bin", "bin/run", "link", "none"] {
            let metadata = symlink_metadata(tree.join(name)).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (0, 0), "{name}");
        }
    }
}
