//! `/proc`, read: which processes there are, and what the kernel says of them (proc(5)).
//!
//! A process may end between any two reads: what is gone is `None`, never an error.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};

/// Bytes of an environment, or of a command, that are looked at. Where its environment lies, a process says itself
/// (prctl(2), `PR_SET_MM_MAP`): it may be as long as all addresses that there are.
const ENVIRONMENT_BYTES: u64 = 256 << 10;

/// A line of `/proc/<pid>/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub pid: u32,
    /// Its state: `R`, `S`, `Z` …
    pub state: char,
    pub parent: u32,
    pub group: u32,
    pub session: u32,
    pub threads: u32,
    /// When it started, in clock ticks since the machine was started.
    pub start_time: u64,
}

impl Stat {
    /// Whether it only waits to be reaped. A process whose first thread ended while others go on
    /// shows as a zombie too, and is none.
    pub fn is_dead(&self) -> bool {
        self.state == 'X' || (self.state == 'Z' && self.threads <= 1)
    }

    fn parse(line: &str) -> Option<Self> {
        // The name is in parentheses, and may hold parentheses and spaces itself.
        let (front, rest) = line.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u32>().ok();
        Some(Self {
            pid: front.split_once(' ')?.0.parse().ok()?,
            state: fields.first()?.chars().next()?,
            parent: number(1)?,
            group: number(2)?,
            session: number(3)?,
            threads: number(17)?,
            start_time: fields.get(19)?.parse().ok()?,
        })
    }
}

/// What the kernel says of a process; `None` if there is none.
pub fn stat(pid: u32) -> Option<Stat> {
    Stat::parse(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
}

/// Whether a process is about to end: it has shut what it had open, or soon will, and nothing keeps it.
pub fn is_exiting(pid: u32) -> bool {
    /// `PF_EXITING` of the kernel's `sched.h`.
    const EXITING: u32 = 4;
    let line = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    let flags = line.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(6));
    flags.and_then(|flags| flags.parse::<u32>().ok()).is_some_and(|flags| flags & EXITING != 0)
}

/// From where to where the words lie in memory that this process was started with; both 0 where it is not told.
pub fn own_words() -> (usize, usize) {
    let line = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let mut fields = line.rsplit_once(')').unwrap_or_default().1.split_ascii_whitespace().skip(45);
    let mut number = || fields.next()?.parse().ok();
    number().zip(number()).unwrap_or_default()
}

/// How many processes and threads the machine has; `None` where it does not say.
pub fn tasks() -> Option<u64> {
    let load = fs::read_to_string("/proc/loadavg").ok()?;
    let (_, all) = load.split_ascii_whitespace().nth(3)?.split_once('/')?;
    all.parse().ok()
}

pub fn all() -> io::Result<Vec<Stat>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(entry) = entry else { continue };
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        found.extend(pid.and_then(stat));
    }
    Ok(found)
}

/// The name of a process's program, for people.
pub fn name(pid: u32) -> String {
    fs::read(format!("/proc/{pid}/comm"))
        .map_or_else(|_| "unknown".to_owned(), |name| crate::output::printable(&name))
}

/// Whether a process was started with this `NAME=value` in its environment.
pub fn was_given(pid: u32, variable: &str) -> bool {
    words(pid, "environ").iter().any(|one| one == variable.as_bytes())
}

/// The environment that a process was started with, as far as it is text.
pub fn environment(pid: u32) -> BTreeMap<String, String> {
    let text = |one: Vec<u8>| {
        let one = String::from_utf8(one).ok()?;
        one.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    words(pid, "environ").into_iter().filter_map(text).collect()
}

/// The command that a process runs, as far as it is text.
pub fn arguments(pid: u32) -> Vec<String> {
    words(pid, "cmdline").into_iter().filter_map(|word| String::from_utf8(word).ok()).collect()
}

/// The user who started a process: its real one, which a set-user-ID program does not change.
pub fn user(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_ascii_whitespace().next()?.parse().ok()
}

/// What a process has in one of its files of words, each ended by a zero byte.
fn words(pid: u32, name: &str) -> Vec<Vec<u8>> {
    let Ok(file) = File::open(format!("/proc/{pid}/{name}")) else { return Vec::new() };
    let mut all = Vec::new();
    if file.take(ENVIRONMENT_BYTES).read_to_end(&mut all).is_err() {
        return Vec::new();
    }
    all.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

/// The capabilities that this process has, as bits (`CapEff`).
pub fn own_capabilities() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// The control groups that a process is in (cgroups(7)), where systemd may have put it: in the unified
/// hierarchy, and in systemd's own where there are several.
pub fn control_groups(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let group = |line: &str| {
        let systemd = || Some(line.split_once(":name=systemd:")?.1);
        line.strip_prefix("0::").or_else(systemd).map(str::to_owned)
    };
    text.lines().filter_map(group).collect()
}

/// The sockets that a process holds, by their inodes.
pub fn sockets(pid: u32) -> Vec<u64> {
    socket_descriptors(pid).into_iter().map(|(_, inode)| inode).collect()
}

/// The number under which a process holds a socket.
pub fn descriptor_of(pid: u32, inode: u64) -> Option<i32> {
    socket_descriptors(pid).into_iter().find(|held| held.1 == inode).map(|(number, _)| number)
}

fn socket_descriptors(pid: u32) -> Vec<(i32, u64)> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let held = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).ok()?;
        let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()?;
        Some((entry.file_name().to_str()?.parse().ok()?, inode))
    };
    entries.flatten().filter_map(held).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A `cat` that has begun: the kernel may write down what a process was given only after its parent
    /// has gone on.
    fn running(command: &mut Command) -> Child {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"it runs").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 7]).unwrap();
        child
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) b (c)) S 1 40 39 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 777 0";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.pid, stat.parent, stat.group, stat.session), (42, 1, 40, 39));
        assert_eq!((stat.threads, stat.start_time), (3, 777));
    }

    #[test]
    fn a_process_says_what_it_was_started_with() {
        let mut command = Command::new("cat");
        let mut child = running(command.args(["-", "/dev/null"]).env("A", "b=c"));
        let (environment, arguments) = (environment(child.id()), arguments(child.id()));
        let users = (user(child.id()), user(std::process::id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(environment.get("A").map(String::as_str), Some("b=c"));
        assert!(arguments.iter().any(|word| word == "/dev/null"), "{arguments:?}");
        assert!(users.0.is_some() && users.0 == users.1);
    }

    #[test]
    fn this_process_is_among_all() {
        let own = std::process::id();
        assert!(all().unwrap().iter().any(|stat| stat.pid == own && !stat.is_dead()));
        assert_eq!(stat(0), None);
    }

    #[test]
    fn an_environment_is_not_read_without_end() {
        let long = "x".repeat(100 << 10);
        let mut command = Command::new("cat");
        command.env_clear().env("A", "1").envs([("B", &long), ("C", &long), ("D", &long)]);
        let mut child = running(command.env("Z", "1"));
        assert!(was_given(child.id(), "A=1"));
        assert!(!was_given(child.id(), "Z=1"), "all of it was read");
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn sockets_are_found_by_their_inodes() {
        let before = sockets(std::process::id());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let after = sockets(std::process::id());
        drop(listener);
        assert!(after.iter().any(|inode| !before.contains(inode)));
    }
}
