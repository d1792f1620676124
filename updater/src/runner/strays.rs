//! Agents of ours that no file of the state directory names: it was lost, moved, or is older than they are.
//!
//! Such a one is known by its program, which lies in our store of releases, by `RELEASE_INSTANCE` and
//! `RELEASE_PATH` in the environment that it was started with, and by its user. Nothing else is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use protocol::Digest;

use super::members::{MARK, Signs, keeper_of};
use super::transient::{UNIT_PREFIX, group_name};
use crate::sys::proc::{self, Stat};
use crate::sys::process::ProcessId;
use crate::sys::unified_group::UnifiedGroup;

/// One start of an agent that is not written down.
#[derive(Debug)]
pub(super) struct Stray {
    pub(super) mark: String,
    pub(super) digest: Digest,
    pub(super) version: Option<String>,
    pub(super) release_path: PathBuf,
    pub(super) leader: ProcessId,
    pub(super) user: u32,
    started: u64,
}

impl Stray {
    /// The control group that was made for it, a start of this app, if it is in one.
    pub(super) fn unified(&self, app: &str) -> Option<UnifiedGroup> {
        UnifiedGroup::of(self.leader.pid, &group_name(app, &self.mark))
    }

    /// What tells its processes from all others.
    pub(super) fn signs(&self, app: &str) -> Signs {
        let mark = format!("{MARK}={}", self.mark);
        Signs {
            leader: Some(self.leader.clone()),
            since: self.leader.start_time,
            mark,
            user: Some(self.user),
            groups: Vec::new(),
            own_group: None,
            unified: self.unified(app),
            keeper: keeper_of(&self.leader),
        }
    }
}

/// All of them, the oldest first, but for the starts of these marks.
pub(super) fn find(store: &Path, known: &[String], users: &[u32]) -> io::Result<Vec<Stray>> {
    let all = proc::all()?;
    let mut starts: BTreeMap<String, Vec<(Stat, PathBuf)>> = BTreeMap::new();
    for stat in all.into_iter().filter(|stat| !stat.is_dead()) {
        let Some((mark, path)) = ours(stat.pid, store, users) else { continue };
        if !known.contains(&mark) {
            starts.entry(mark).or_default().push((stat, path));
        }
    }
    let mut strays: Vec<Stray> = starts.into_iter().filter_map(of_start).collect();
    strays.sort_by_key(|stray| stray.started);
    Ok(strays)
}

/// Whether a process is of an agent that was started from this store.
pub(super) fn is_ours(pid: u32, store: &Path, users: &[u32]) -> bool {
    ours(pid, store, users).is_some()
}

/// The mark of a process and its release, if it is an agent's that was started from this store.
fn ours(pid: u32, store: &Path, users: &[u32]) -> Option<(String, PathBuf)> {
    let variables = proc::environment(pid);
    let mark = variables.get(MARK).filter(|mark| is_mark(mark))?.clone();
    let release = PathBuf::from(variables.get("RELEASE_PATH")?);
    let is_in_store = release.parent() == Some(store);
    let is_users = proc::user(pid).is_some_and(|user| users.contains(&user));
    let is_ours = is_in_store && is_users && runs_in(pid, &release) && !is_of_another_service(pid);
    is_ours.then_some((mark, release))
}

/// Whether an updater may have made it: the kernel's random numbers, as it writes them.
fn is_mark(mark: &str) -> bool {
    let groups = mark
        .split('-')
        .map(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(group.len()));
    groups.eq([8, 4, 4, 4, 12].map(Some))
}

/// Whether systemd started it as a part of a service that is neither the updater nor one of its agents.
fn is_of_another_service(pid: u32) -> bool {
    let own = proc::control_groups(std::process::id());
    let is_ours = |group: &String| {
        let unit = group.rsplit('/').next().unwrap_or_default();
        own.contains(group) || unit.starts_with(UNIT_PREFIX) || !unit.ends_with(".service")
    };
    !proc::control_groups(pid).iter().all(is_ours)
}

/// Whether its program, its directory or what it was started with lies in this release.
fn runs_in(pid: u32, release: &Path) -> bool {
    let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).ok();
    let inside = |path: PathBuf| path.starts_with(release);
    link("exe").is_some_and(inside)
        || link("cwd").is_some_and(inside)
        || proc::arguments(pid).iter().any(|word| Path::new(word).starts_with(release))
}

/// Its first process leads its session, or is the one of them that none of them started.
fn of_start((mark, mut processes): (String, Vec<(Stat, PathBuf)>)) -> Option<Stray> {
    let own: BTreeSet<u32> = processes.iter().map(|(stat, _)| stat.pid).collect();
    processes.sort_by_key(|(stat, _)| {
        (stat.pid != stat.session, own.contains(&stat.parent), stat.start_time)
    });
    let (stat, release_path) = processes.into_iter().next()?;
    let mut variables = proc::environment(stat.pid);
    let digest: Digest = variables.remove("RELEASE_DIGEST")?.parse().ok()?;
    // The name of its directory is the digest's beginning, or all of it.
    if !digest.hex().starts_with(release_path.file_name()?.to_str()?) {
        return None;
    }
    let version = variables.remove("RELEASE_VERSION");
    let leader = ProcessId::from_stat(&stat);
    let version = version.filter(|version| !version.is_empty());
    let (user, started) = (proc::user(stat.pid)?, stat.start_time);
    Some(Stray { mark, digest, version, release_path, leader, user, started })
}

#[cfg(test)]
mod tests {
    use super::is_mark;

    #[test]
    fn a_mark_is_what_an_updater_makes_and_nothing_else() {
        assert!(is_mark("0b0cff6a-83c3-4c28-9f6b-0a2a5a1f4c3d"));
        for other in ["", "-", "0b0cff6a", "0b0cff6a-83c3-4c28-9f6b-0a2a5a1f4c3", "----"] {
            assert!(!is_mark(other), "{other}");
        }
    }
}
