//! The directories of an app's builds, outside of its releases: a home that lives across builds, the
//! caches of its tools beside it, and a temporary directory that goes with each build.
//!
//! They belong to the app's user, whose releases could write them anyway. The directory above them
//! belongs to the updater, so that none can be replaced by a link. Of a release that turned out
//! to be bad nothing stays in the home: its settings for pip, cargo and npm would build the next.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{getegid, geteuid};

use super::caches::{link_caches, prepare_caches};
use crate::release::remove_tree;

pub(super) const HOME: &str = "home";

/// The directories, ready for one build. The temporary one goes when this is dropped.
#[derive(Debug)]
pub(super) struct Workspace {
    pub(super) home: PathBuf,
    pub(super) temporary: PathBuf,
    pub(super) caches: PathBuf,
}

impl Workspace {
    /// Makes what is missing under `directory`, for the user and the group in `owner`, or for the
    /// updater's own.
    pub(super) fn prepare(directory: &Path, owner: Option<(u32, u32)>) -> io::Result<Self> {
        let (uid, gid) = owner.unwrap_or_else(|| (geteuid().as_raw(), getegid().as_raw()));
        // Others pass through, and see nothing.
        DirBuilder::new().recursive(true).create(directory)?;
        fs::set_permissions(directory, Permissions::from_mode(0o711))?;
        let home = directory.join(HOME);
        if fs::symlink_metadata(&home).is_ok_and(|found| !found.is_dir() || found.uid() != uid) {
            // The app's user is another one now, and could neither read nor clean it.
            remove_tree(&home)?;
        }
        let caches = prepare_caches(directory, uid, gid)?;
        if !home.exists() {
            DirBuilder::new().mode(0o700).create(&home)?;
            link_caches(&home, &caches, uid, gid)?;
            chown(&home, Some(uid), Some(gid))?;
        }
        let temporary = directory.join("tmp");
        remove_tree(&temporary)?;
        make(&temporary, uid, gid)?;
        Ok(Self { home, temporary, caches })
    }
}

/// Forgets what the builds under `directory` left in their home.
pub fn forget_home(directory: &Path) -> io::Result<()> {
    remove_tree(&directory.join(HOME))
}

impl Drop for Workspace {
    /// What cannot be removed now is removed before the next build.
    fn drop(&mut self) {
        let _ = remove_tree(&self.temporary);
    }
}

pub(super) fn make(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    chown(path, Some(uid), Some(gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_stays_and_the_rest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let cache = directory.path().join("apps/agent/cache");
        let first = Workspace::prepare(&cache, None).unwrap();
        fs::write(first.home.join("wheel"), "x").unwrap();
        fs::write(first.temporary.join("litter"), "x").unwrap();
        let temporary = first.temporary.clone();
        drop(first);
        assert!(!temporary.exists());

        fs::create_dir(&temporary).unwrap();
        fs::write(temporary.join("left by a crash"), "x").unwrap();
        let second = Workspace::prepare(&cache, None).unwrap();
        assert_eq!(fs::read_dir(&second.temporary).unwrap().count(), 0);
        assert!(second.home.join("wheel").exists());
        let mode = fs::metadata(&second.home).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
    }

    #[test]
    fn a_home_of_another_user_is_not_taken_over() {
        if skip::skipped_without_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let first = Workspace::prepare(directory.path(), None).unwrap();
        fs::write(first.home.join("theirs"), "x").unwrap();
        drop(first);
        let second = Workspace::prepare(directory.path(), Some((65534, 65534))).unwrap();
        assert!(!second.home.join("theirs").exists());
        assert_eq!(fs::metadata(&second.home).unwrap().uid(), 65534);
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(elsewhere.path().join("precious"), "x").unwrap();
        for name in ["home", "tmp"] {
            std::os::unix::fs::symlink(elsewhere.path(), directory.path().join(name)).unwrap();
        }
        let workspace = Workspace::prepare(directory.path(), None).unwrap();
        assert!(!workspace.home.is_symlink() && !workspace.temporary.is_symlink());
        assert!(elsewhere.path().join("precious").exists());
    }
}
