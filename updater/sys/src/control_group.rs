//! Control groups that are made without systemd: below the one that this process is in, where the kernel
//! has the controllers and lets them be made (cgroups(7)).
//!
//! Never moves this process itself: where that were needed (the unified hierarchy, below its top), there is
//! none to be had.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::proc::{self, Stat};

/// What the processes of a group may have together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupLimits {
    /// Processes and threads.
    pub tasks: Option<u64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
}

/// Why there is no group.
#[derive(Debug, thiserror::Error)]
pub enum ControlGroupError {
    #[error("find a control group with the controller {0}: none is mounted here")]
    NoController(&'static str),
    #[error(
        "make a control group below {group}: this process would have to leave it first (the \
         unified hierarchy)",
        group = .0.display()
    )]
    Occupied(PathBuf),
    #[error("{act} {path}", path = path.display())]
    Io { act: &'static str, path: PathBuf, source: io::Error },
}

/// One limit, and the group of this process below which it can be held.
struct Bound {
    parent: Parent,
    controller: &'static str,
    limit: u64,
}

/// The group that this process is in, in the hierarchy of a controller.
#[derive(Debug, PartialEq, Eq)]
struct Parent {
    directory: PathBuf,
    /// Whether the hierarchy is the unified one, of all controllers.
    unified: bool,
}

impl GroupLimits {
    /// Whether nothing is bounded.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// The directories of a group of this name that would hold them. Nothing is made yet.
    pub fn directories(&self, name: &str) -> Result<Vec<PathBuf>, ControlGroupError> {
        let mut directories: Vec<PathBuf> =
            self.bounds()?.into_iter().map(|bound| bound.parent.directory.join(name)).collect();
        directories.dedup();
        Ok(directories)
    }

    /// Makes the group of this name, puts the limits on it and the process into it.
    pub fn admit(&self, name: &str, pid: u32) -> Result<(), ControlGroupError> {
        let bounds = self.bounds()?;
        for bound in &bounds {
            bound.make(name)?;
        }
        for bound in &bounds {
            let group = bound.parent.directory.join(name);
            write(&group.join("cgroup.procs"), "put the agent into", &pid.to_string())?;
        }
        Ok(())
    }

    fn bounds(&self) -> Result<Vec<Bound>, ControlGroupError> {
        let limits = [("pids", self.tasks), ("memory", self.memory)];
        let wanted = limits.into_iter().filter_map(|(name, limit)| Some((name, limit?)));
        let read = |path: &str| {
            fs::read_to_string(path).map_err(|source| error("read", Path::new(path), source))
        };
        let (groups, mounts) = (read("/proc/self/cgroup")?, read("/proc/self/mountinfo")?);
        let bound = |(controller, limit)| {
            let parent = parent(controller, &groups, &mounts)
                .ok_or(ControlGroupError::NoController(controller))?;
            parent.check(controller)?;
            Ok(Bound { parent, controller, limit })
        };
        wanted.map(bound).collect()
    }
}

/// Keeps the processes of a group from starting others, where that can be told to it: what is killed one by
/// one could else be faster.
pub fn end_forks(directories: &[PathBuf]) {
    for directory in directories {
        // Only the group that bounds tasks has it.
        let _ = fs::write(directory.join("pids.max"), "0");
    }
}

/// The processes of a group, among these.
pub fn members(directories: &[PathBuf], all: &[Stat]) -> Vec<u32> {
    let listed = |directory: &PathBuf| {
        let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<u32>>()
    };
    let mut found: Vec<u32> = directories.iter().flat_map(listed).collect();
    found.retain(|pid| all.iter().any(|stat| stat.pid == *pid));
    found
}

/// Removes a group in which no process is left.
pub fn remove(directories: &[PathBuf]) {
    for directory in directories {
        if let Err(error) = fs::remove_dir(directory)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("the control group {} is left: {error}", directory.display());
        }
    }
}

impl Bound {
    fn make(&self, name: &str) -> Result<(), ControlGroupError> {
        let (parent, unified) = (&self.parent.directory, self.parent.unified);
        if unified && !self.parent.hands_on(self.controller) {
            let control = parent.join("cgroup.subtree_control");
            write(&control, "hand on a controller in", &format!("+{}", self.controller))?;
        }
        let group = parent.join(name);
        match fs::create_dir(&group) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error("make the control group", &group, source));
            }
            _ => {}
        }
        let file = match (self.controller, unified) {
            ("memory", true) => "memory.max",
            ("memory", false) => "memory.limit_in_bytes",
            _ => "pids.max",
        };
        write(&group.join(file), "set", &self.limit.to_string())
    }
}

impl Parent {
    /// Whether a group can be made below it.
    fn check(&self, controller: &'static str) -> Result<(), ControlGroupError> {
        if self.unified {
            let has = |file| lists(&self.directory.join(file), controller);
            if !has("cgroup.controllers") {
                return Err(ControlGroupError::NoController(controller));
            }
            // The top of the hierarchy alone may have processes and groups of its own; it has no type.
            let is_top = !self.directory.join("cgroup.type").exists();
            if !is_top && !self.hands_on(controller) {
                return Err(ControlGroupError::Occupied(self.directory.clone()));
            }
        }
        access(&self.directory, AccessFlags::W_OK)
            .map_err(|errno| error("make a control group below", &self.directory, errno.into()))
    }

    /// Whether groups below it have this controller already.
    fn hands_on(&self, controller: &str) -> bool {
        lists(&self.directory.join("cgroup.subtree_control"), controller)
    }
}

fn lists(file: &Path, controller: &str) -> bool {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_ascii_whitespace().any(|one| one == controller)
}

/// Where the group of this process is, in the hierarchy that has a controller: by `/proc/self/cgroup` and
/// `/proc/self/mountinfo`.
fn parent(controller: &str, groups: &str, mounts: &str) -> Option<Parent> {
    let of = |line: &'_ str| {
        let mut fields = line.splitn(3, ':').skip(1);
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    };
    let all: Vec<(String, String)> = groups.lines().filter_map(of).collect();
    let has = |controllers: &str| controllers.split(',').any(|one| one == controller);
    let own = all.iter().find(|(controllers, _)| has(controllers));
    let (unified, (_, path)) = match own {
        Some(own) => (false, own),
        None => (true, all.iter().find(|(controllers, _)| controllers.is_empty())?),
    };
    let directory = mounts.lines().find_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        let mut back = back.split(' ');
        let (kind, options) = (back.next()?, back.nth(1)?);
        let right = if unified { kind == "cgroup2" } else { kind == "cgroup" && has(options) };
        let mut front = front.split(' ').skip(3);
        let (root, mounted) = (front.next()?, front.next()?);
        let below = Path::new(path).strip_prefix(root).ok().filter(|_| right)?;
        Some(Path::new(mounted).join(below))
    })?;
    Some(Parent { directory, unified })
}

fn write(file: &Path, act: &'static str, text: &str) -> Result<(), ControlGroupError> {
    fs::write(file, text).map_err(|source| error(act, file, source))
}

fn error(act: &'static str, path: &Path, source: io::Error) -> ControlGroupError {
    ControlGroupError::Io { act, path: path.to_owned(), source }
}

/// Whether a process is in a group that systemd made and named so.
pub fn is_in_unit(pid: u32, unit: &str) -> bool {
    let within = |group: &String| group.split('/').any(|part| part == unit);
    proc::control_groups(pid).iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "25 20 0:21 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        30 25 0:27 / /sys/fs/cgroup/pids rw,relatime shared:11 - cgroup cgroup rw,pids\n\
        31 25 0:28 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        32 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    fn found(controller: &str, groups: &str, mounts: &str) -> Option<(String, bool)> {
        let parent = parent(controller, groups, mounts)?;
        Some((parent.directory.display().to_string(), parent.unified))
    }

    #[test]
    fn the_own_group_is_found_in_either_kind_of_hierarchy() {
        let groups = "8:pids:/system/updater\n4:memory:/docker/1/two\n0::/one\n";
        let pids = found("pids", groups, MOUNTS).unwrap();
        assert_eq!(pids, ("/sys/fs/cgroup/pids/system/updater".to_owned(), false));
        // A container sees only what is below its own root.
        let memory = found("memory", groups, MOUNTS).unwrap();
        assert_eq!(memory, ("/sys/fs/cgroup/memory/two".to_owned(), false));
        assert_eq!(found("memory", "4:memory:/elsewhere\n", MOUNTS), None);
        let unified = found("pids", "0::/one\n", MOUNTS).unwrap();
        assert_eq!(unified, ("/sys/fs/cgroup/unified/one".to_owned(), true));
        assert_eq!(found("pids", groups, ""), None);
    }

    #[test]
    fn a_group_of_the_unified_hierarchy_that_is_in_use_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let parent = Parent { directory: directory.path().to_owned(), unified: true };
        let put = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        put("cgroup.controllers", "memory\n");
        assert!(matches!(parent.check("pids"), Err(ControlGroupError::NoController("pids"))));
        assert!(parent.check("memory").is_ok(), "it is the top");
        put("cgroup.type", "domain\n");
        assert!(matches!(parent.check("memory"), Err(ControlGroupError::Occupied(_))));
        // Its administrator has made it ready.
        put("cgroup.subtree_control", "memory pids\n");
        assert!(parent.check("memory").is_ok());
    }
}
