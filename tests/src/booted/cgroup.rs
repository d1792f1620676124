//! The control group that a host boots in.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::{LONG, eventually};

/// The group of this name, at the top of the unified hierarchy, wherever that is mounted.
pub(super) fn group(name: &str) -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let unified = mounts.lines().find(|line| line.contains(" - cgroup2 "));
    let top = unified.and_then(|line| line.split(' ').nth(4)).context("no cgroup2 is mounted")?;
    Ok(Path::new(top).join(name))
}

/// Ends what is left in a group, and removes it.
pub(super) fn remove(group: &Path) -> Result<()> {
    eventually("a host's control group to go away", LONG, || {
        // Nothing, where a host lost its power; all of it, where its test was killed.
        let _ = fs::write(group.join("cgroup.kill"), "1");
        remove_empty(group);
        (!group.exists()).then_some(())
    })
}

fn remove_empty(group: &Path) {
    let Ok(entries) = fs::read_dir(group) else { return };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}
