//! Whose a tree is: the app's user's while it is built, root's and read-only from then on.
//!
//! A build is foreign code, and something of its user may still run: no step trusts a name in a
//! directory that this user can still write to.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use archive::{EXECUTABLE, PLAIN};
use rustix::fs::{AtFlags, Gid, Uid};
use sys::printable_name;

use crate::release::tree::TreeError;
use crate::release::tree::walk::{Step, WalkEntry, root_failed, walk};
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
/// executable files 0755, other files 0644, without ACLs or extended attributes of users. Refuses
/// devices, FIFOs, sockets, and files that have another name outside of the tree.
pub fn seal_tree(directory: &Path) -> Result<(), TreeError> {
    let root = fs::open_directory(directory).map_err(root_failed("open"))?;
    let owner = rustix::process::geteuid().is_root().then_some((Uid::ROOT, Gid::ROOT));
    if let Some(owner) = owner {
        give_root(&root, owner)?;
    }
    close(&root, EXECUTABLE).map_err(root_failed("seal"))?;
    let mut shared = HashMap::new();
    // From the top down: no name in a directory can change once the directory is ours.
    walk(root.as_fd(), &mut |step, found| match (step, found.status.kind) {
        (Step::Leave, _) => Ok(()),
        (_, Kind::Special) => Err(TreeError::Special(printable_name(found.path))),
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
            fs::open_any_at(found.parent, found.name)
                .and_then(|handle| close(&handle, mode))
                .map_err(found.failed("seal"))
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
    let fail = |source| TreeError::Io { what: "seal", path: printable_name(path), source };
    let handle = fs::open_any_at(root, &path[..]).map_err(fail)?;
    let status = fs::status(&handle).map_err(fail)?;
    if status.links != names.len() as u64 {
        return Err(TreeError::Hardlink(printable_name(path)));
    }
    if let Some((user, group)) = owner {
        let flags = AtFlags::EMPTY_PATH;
        rustix::fs::chownat(&handle, "", Some(user), Some(group), flags)
            .map_err(|error| fail(error.into()))?;
    }
    close(&handle, sealed_mode(status.mode, status.kind)).map_err(fail)
}

/// Lets only its owner write to something. The mode comes first: who could still write could
/// attach things again.
fn close(handle: &OwnedFd, mode: u32) -> io::Result<()> {
    fs::set_mode(handle, mode)?;
    fs::drop_attributes(handle)
}

fn sealed_mode(mode: u32, kind: Kind) -> u32 {
    if kind == Kind::Directory || mode & 0o111 != 0 { EXECUTABLE } else { PLAIN }
}

fn give(found: &WalkEntry<'_>, (user, group): (Uid, Gid)) -> Result<(), TreeError> {
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
    fn nothing_that_is_attached_to_a_tree_outlives_the_seal() {
        let (_root, tree) = tree();
        hard_link(tree.join("secret"), tree.join("bin/again")).unwrap();
        // Version 2 of acl(5) as Linux stores it: `user::rwx,user:4242:rwx,group::rwx,mask::rwx,
        // other::---`; each with a tag, rights and an identifier.
        let entries = [(0x01, !0), (0x02, 4242), (0x04, !0), (0x10, !0), (0x20, !0_u32)];
        let rights = |tag: u16| if tag == 0x20 { 0_u16 } else { 7 };
        let entry = |(tag, who): (u16, u32)| {
            let words = [tag.to_le_bytes(), rights(tag).to_le_bytes()].concat();
            [words, who.to_le_bytes().to_vec()].concat()
        };
        let acl = [2_u32.to_le_bytes().to_vec(), entries.map(entry).concat()].concat();
        let set = |name: &str, attribute: &str, value: &[u8]| {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(tree.join(name), attribute, value, flags).unwrap();
        };
        for name in ["", "bin"] {
            set(name, "system.posix_acl_default", &acl);
        }
        for name in ["", "bin", "bin/run", "secret"] {
            set(name, "system.posix_acl_access", &acl);
            set(name, "user.note", b"x");
        }
        seal_tree(&tree).unwrap();
        for (name, wanted) in
            [("", 0o755), ("bin", 0o755), ("bin/run", 0o755), ("secret", 0o755), ("none", 0o644)]
        {
            let mut names = [0; 4096];
            let length = rustix::fs::listxattr(tree.join(name), &mut names[..]).unwrap();
            let left = String::from_utf8_lossy(&names[..length]).into_owned();
            assert!(!left.contains("user.") && !left.contains("acl"), "{name}: {left}");
            assert_eq!(mode(&tree.join(name)), wanted, "{name}");
        }
        write(tree.join("bin/new"), "x").unwrap();
        let new = rustix::fs::listxattr(tree.join("bin/new"), &mut [0; 4096][..]);
        assert_eq!(new.unwrap(), 0, "a directory hands its ACL down");
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
        if skip::skipped_without_root() {
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
