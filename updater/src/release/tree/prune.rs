//! Holding a directory that foreign programs fill to a size: what was used longest ago goes first.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::remove::is_directory_after_unlink;
use super::walk::{Step, TreeError, WalkEntry, walk};
use crate::sys::fs::{self, Kind, Status};

/// Bytes that all in a directory takes on the disk.
pub fn disk_bytes(directory: &Path) -> Result<u64, TreeError> {
    let root = fs::open_directory(directory).map_err(TreeError::of("open", "the directory"))?;
    let mut bytes = 0_u64;
    walk(root.as_fd(), &mut |step, found| {
        if step != Step::Leave {
            bytes = bytes.saturating_add(found.status.disk_bytes);
        }
        Ok(())
    })?;
    Ok(bytes)
}

/// Removes what was used longest ago from a directory, until all in it takes at most `limit` bytes. Each
/// file goes by itself; but a directory at a path that `is_whole` names is kept or removed as a whole.
/// What is directly in the directory stays, if only as an empty directory.
pub fn prune(directory: &Path, limit: u64, is_whole: fn(&[u8]) -> bool) -> Result<(), TreeError> {
    let root = fs::open_directory(directory).map_err(TreeError::of("open", "the directory"))?;
    let found = Found::look(root.as_fd(), is_whole)?;
    match found.last_to_go(limit) {
        Some(last) => remove_until(root.as_fd(), last, &found.wholes),
        None => Ok(()),
    }
}

/// What goes together.
#[derive(Debug, Clone, Copy)]
struct Unit {
    /// When any file of it was used last.
    last_used: i64,
    bytes: u64,
}

/// Nothing: used longer ago than anything.
const NOTHING: Unit = Unit { last_used: i64::MIN, bytes: 0 };

impl Unit {
    fn add(&mut self, status: &Status) {
        self.bytes = self.bytes.saturating_add(status.disk_bytes);
        // A directory is also used when it is only looked into.
        if status.kind != Kind::Directory {
            self.last_used = self.last_used.max(status.last_used);
        }
    }
}

#[derive(Debug, Default)]
struct Found {
    /// All together, and the directories that they are in.
    bytes: u64,
    /// Files, and directories that go as a whole.
    units: Vec<Unit>,
    /// Of the latter, when each was used last.
    wholes: HashMap<Vec<u8>, i64>,
}

impl Found {
    fn look(root: BorrowedFd<'_>, is_whole: fn(&[u8]) -> bool) -> Result<Self, TreeError> {
        let mut found = Self::default();
        let mut inside: Option<(usize, Unit)> = None;
        walk(root, &mut |step, entry| {
            if step != Step::Leave {
                found.bytes = found.bytes.saturating_add(entry.status.disk_bytes);
            }
            match (step, &mut inside) {
                (Step::Leave, Some((length, unit))) if *length == entry.path.len() => {
                    found.units.push(*unit);
                    found.wholes.insert(entry.path.to_vec(), unit.last_used);
                    inside = None;
                }
                (Step::Enter | Step::Leaf, Some((_, unit))) => unit.add(&entry.status),
                (Step::Enter, None) if is_whole(entry.path) => {
                    let mut unit = NOTHING;
                    unit.add(&entry.status);
                    inside = Some((entry.path.len(), unit));
                }
                (Step::Leaf, None) => {
                    let mut unit = NOTHING;
                    unit.add(&entry.status);
                    found.units.push(unit);
                }
                (Step::Leave, _) | (Step::Enter, None) => {}
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// All that was used no later than this has to go; nothing has to where there is room for all.
    fn last_to_go(&self, limit: u64) -> Option<i64> {
        let mut over = self.bytes.checked_sub(limit).filter(|over| *over > 0)?;
        let mut units = self.units.clone();
        units.sort_unstable_by_key(|unit| unit.last_used);
        for unit in &units {
            over = over.saturating_sub(unit.bytes);
            if over == 0 {
                return Some(unit.last_used);
            }
        }
        // The directories themselves are too much.
        Some(i64::MAX)
    }
}

/// Removes what was used no later than `last`, and what is empty then.
fn remove_until(
    root: BorrowedFd<'_>,
    last: i64,
    wholes: &HashMap<Vec<u8>, i64>,
) -> Result<(), TreeError> {
    // How long the path of the whole is that the walk is in, and whether it goes.
    let mut inside: Option<(usize, bool)> = None;
    walk(root, &mut |step, entry| match step {
        Step::Enter => {
            if inside.is_none()
                && let Some(used) = wholes.get(entry.path)
            {
                inside = Some((entry.path.len(), *used <= last));
            }
            Ok(())
        }
        Step::Leaf => {
            let goes = inside.map_or(entry.status.last_used <= last, |(_, goes)| goes);
            if goes { unlink(entry).map_err(entry.failed("remove")) } else { Ok(()) }
        }
        Step::Leave => {
            let (length, goes) = inside.unwrap_or((0, true));
            if length == entry.path.len() {
                inside = None;
            }
            let is_top = !entry.path.contains(&b'/');
            if goes && !is_top { remove_empty(entry) } else { Ok(()) }
        }
    })
}

fn unlink(entry: &WalkEntry<'_>) -> io::Result<()> {
    is_directory_after_unlink(entry.parent, entry.name).map(drop)
}

fn remove_empty(entry: &WalkEntry<'_>) -> Result<(), TreeError> {
    match rustix::fs::unlinkat(entry.parent, entry.name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
        Err(error) => Err(entry.failed("remove")(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    use super::*;

    const SIZE: u64 = 64 << 10;

    fn file(root: &Path, path: &str, age: u64) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "x".repeat(64 << 10)).unwrap();
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age);
        let times = FileTimes::new().set_accessed(then).set_modified(then);
        File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
    }

    fn left(root: &Path, paths: &[&'static str]) -> Vec<&'static str> {
        paths.iter().copied().filter(|path| root.join(path).symlink_metadata().is_ok()).collect()
    }

    fn nothing(_: &[u8]) -> bool {
        false
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let tree = tempfile::tempdir().unwrap();
        let (root, paths) = (tree.path(), ["pip/a/old", "pip/b/new", "npm/middle"]);
        for (path, age) in paths.into_iter().zip([3, 1, 2]) {
            file(root, path, age);
        }
        let all = disk_bytes(root).unwrap();
        assert!(all >= 3 * SIZE, "{all}");
        prune(root, all, nothing).unwrap();
        assert_eq!(left(root, &paths), paths);
        prune(root, all - 1, nothing).unwrap();
        assert_eq!(left(root, &paths), ["pip/b/new", "npm/middle"]);
        assert!(!root.join("pip/a").exists());
        prune(root, all - SIZE - 8192 - 1, nothing).unwrap();
        assert_eq!(left(root, &paths), ["pip/b/new"]);
        prune(root, 0, nothing).unwrap();
        assert_eq!(left(root, &["pip", "npm", "pip/b"]), ["pip", "npm"]);
    }

    #[test]
    fn what_is_of_use_only_whole_goes_as_a_whole() {
        let tree = tempfile::tempdir().unwrap();
        let (root, paths) = (tree.path(), ["yarn/a/1", "yarn/a/2", "yarn/b/1"]);
        for (path, age) in paths.into_iter().zip([9, 1, 5]) {
            file(root, path, age);
        }
        let all = disk_bytes(root).unwrap();
        prune(root, all - 1, |path| path.split(|byte| *byte == b'/').count() == 2).unwrap();
        assert_eq!(left(root, &paths), ["yarn/a/1", "yarn/a/2"]);
    }

    #[test]
    fn a_link_is_neither_counted_nor_followed() {
        let (tree, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        file(outside.path(), "precious", 9);
        symlink(outside.path(), tree.path().join("pip")).unwrap();
        std::fs::create_dir(tree.path().join("npm")).unwrap();
        symlink(outside.path().join("precious"), tree.path().join("npm/x")).unwrap();
        assert!(disk_bytes(tree.path()).unwrap() < SIZE);
        prune(tree.path(), 0, nothing).unwrap();
        assert!(outside.path().join("precious").exists());
        assert!(disk_bytes(&tree.path().join("pip")).is_err());
    }
}
