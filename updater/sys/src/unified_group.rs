//! A control group of the unified hierarchy (cgroups(7)), made for what is started in it: membership is
//! inherited, and only who may write to the directories of both groups can leave it. No controller is needed
//! for that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The file by which a group is joined, and that names its processes.
const PROCESSES: &str = "cgroup.procs";
/// What says whether a group has processes.
const EVENTS: &str = "cgroup.events";
/// What ends all of a group at once, since Linux 5.14.
const KILL: &str = "cgroup.kill";
/// How deep groups are looked for in a group. An agent that may make some could make many.
const DEEPEST: usize = 16;

/// A group by its directory, whether that is there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnifiedGroup {
    directory: PathBuf,
}

impl UnifiedGroup {
    /// The one of a directory that was written down.
    pub fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Makes one below the group of this process. An error says that none can be had here.
    pub fn create(name: &str) -> io::Result<Self> {
        let own = directory_of_process("self").ok_or(io::ErrorKind::Unsupported)?;
        let group = Self { directory: own.join(name) };
        fs::create_dir(&group.directory)?;
        let usable = group.is_for_processes();
        if usable.is_err() {
            group.remove();
        }
        usable.map(|()| group)
    }

    /// Whether processes may join it, and be looked at there: it may be one of threads.
    fn is_for_processes(&self) -> io::Result<()> {
        let kind = fs::read_to_string(self.directory.join("cgroup.type"))?;
        if kind.trim_end() != "domain" {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.open()?;
        self.members().map(drop)
    }

    /// The one that a process is in, if that is its name, and this process is not in it.
    pub fn of(pid: u32, name: &str) -> Option<Self> {
        let directory = directory_of_process(&pid.to_string())?;
        let is_it = directory.file_name()?.to_str()? == name;
        let holds_this = directory_of_process("self")?.starts_with(&directory);
        (is_it && !holds_this).then_some(Self { directory })
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What a process joins it by: it writes `0`.
    pub fn open(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.directory.join(PROCESSES))
    }

    /// The numbers of its processes, and of those in groups below it. None of one that is gone.
    pub fn members(&self) -> io::Result<Vec<u32>> {
        let mut members = Vec::new();
        for directory in self.with_those_below()? {
            let text = match fs::read_to_string(directory.join(PROCESSES)) {
                // Removed meanwhile, or one of threads.
                Err(error) if is_gone(&error) || error.kind() == io::ErrorKind::Unsupported => {
                    continue;
                }
                text => text?,
            };
            members.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
        }
        // A process of another namespace has none.
        members.retain(|pid| *pid != 0);
        Ok(members)
    }

    /// Kills all of it at once, those that are being forked too. What an older kernel cannot do is left.
    pub fn kill(&self) {
        let _ = fs::write(self.directory.join(KILL), "1");
    }

    /// Waits until no process is in it or below it, as the kernel counts them: a look at the processes may miss
    /// those that fork meanwhile. `false` if the deadline came first.
    pub fn wait_empty(&self, deadline: Instant) -> io::Result<bool> {
        let mut events = match File::open(self.directory.join(EVENTS)) {
            Err(error) if is_gone(&error) => return Ok(true),
            events => events?,
        };
        loop {
            let mut text = String::new();
            match events.rewind().and_then(|()| events.read_to_string(&mut text)) {
                Err(error) if is_gone(&error) => return Ok(true),
                read => read?,
            };
            if text.lines().any(|line| line == "populated 0") {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            // The kernel tells of a change of the file so.
            let mut watched = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
            let left = PollTimeout::try_from(left + Duration::from_millis(1));
            match poll(&mut watched, left.unwrap_or(PollTimeout::MAX)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Removes it, if it is empty.
    pub fn remove(&self) {
        for directory in self.with_those_below().unwrap_or_default().iter().rev() {
            let _ = fs::remove_dir(directory);
        }
    }

    /// It and all groups in it, each before those below it.
    fn with_those_below(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut level = vec![self.directory.clone()];
        for _ in 0..DEEPEST {
            let mut below = Vec::new();
            for directory in &level {
                let entries = match fs::read_dir(directory) {
                    Err(error) if is_gone(&error) => continue,
                    entries => entries?,
                };
                let groups = entries
                    .flatten()
                    .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
                below.extend(groups.map(|entry| entry.path()));
            }
            found.append(&mut level);
            level = below;
        }
        Ok(found)
    }
}

/// A group that was removed while its file was open has no such device.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::ENODEV as i32)
}

/// The directory of the group that a process is in.
fn directory_of_process(pid: &str) -> Option<PathBuf> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    directory_of(&groups, &mounts)
}

/// Where the unified hierarchy is mounted, and in it the group. Pure.
fn directory_of(groups: &str, mounts: &str) -> Option<PathBuf> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    // One outside of this process's namespace.
    if own.split('/').any(|part| part == "..") {
        return None;
    }
    mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        if !kind.starts_with("cgroup2 ") {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let rest = Path::new(own).strip_prefix(root).ok()?;
        Some(Path::new(point).join(rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_wherever_the_hierarchy_is_mounted() {
        let hybrid = "30 25 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs rw\n\
                      31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let pure = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        let container = "29 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        let found = |groups: &str, mounts: &str| directory_of(groups, mounts);
        let path = |text: &str| Some(PathBuf::from(text));
        let both = "9:pids:/x\n0::/\n";
        assert_eq!(found(both, hybrid), path("/sys/fs/cgroup/unified"));
        let service = "0::/system.slice/updater.service\n";
        assert_eq!(found(service, pure), path("/sys/fs/cgroup/system.slice/updater.service"));
        assert_eq!(found("0::/docker/abc/x\n", container), path("/sys/fs/cgroup/x"));
        assert_eq!(found("0::/elsewhere\n", container), None);
        assert_eq!(found("0::/../x\n", pure), None);
        assert_eq!(found("9:pids:/x\n", hybrid), None);
        assert_eq!(found(both, ""), None);
    }

    #[test]
    fn the_group_of_this_process_is_never_one_to_be_ended() {
        let Some(own) = directory_of_process("self") else { return };
        let name = own.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        assert_eq!(UnifiedGroup::of(std::process::id(), name), None);
        assert_eq!(UnifiedGroup::of(std::process::id(), ""), None);
    }

    #[test]
    fn one_that_is_gone_has_no_members_and_can_be_killed_and_removed() {
        let group = UnifiedGroup::at("/sys/fs/cgroup/no-such-group".into());
        assert_eq!(group.members().unwrap(), [0; 0]);
        group.kill();
        assert!(group.wait_empty(Instant::now()).unwrap());
        group.remove();
        assert!(group.open().is_err());
    }
}
