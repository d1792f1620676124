//! The processes of a user, whatever they have made of their sessions, titles and environments.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};
use nix::unistd::User;

/// A living process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserProcess {
    pub pid: u32,
    /// What it calls itself.
    pub command: String,
    parents: Vec<u32>,
}

impl UserProcess {
    /// Whether it is this process, or was started by it or by one that it has started.
    pub fn descends_from(&self, pid: u32) -> bool {
        self.pid == pid || self.parents.contains(&pid)
    }
}

/// All processes of this user.
///
/// # Errors
/// When there is no such user.
pub fn processes_of_user(name: &str) -> Result<Vec<UserProcess>> {
    let user = User::from_name(name)?.with_context(|| format!("there is a user {name}"))?;
    let statuses: BTreeMap<u32, Status> = fs::read_dir("/proc")?
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((pid, Status::read(pid)?))
        })
        .collect();
    let of_user = statuses.iter().filter(|(_, status)| status.user == user.uid.as_raw());
    let process = |(pid, status): (&u32, &Status)| {
        let mut parents = Vec::new();
        let mut next = status.parent;
        while next > 0 && !parents.contains(&next) {
            parents.push(next);
            next = statuses.get(&next).map_or(0, |status| status.parent);
        }
        UserProcess { pid: *pid, command: status.command.clone(), parents }
    };
    Ok(of_user.map(process).collect())
}

struct Status {
    parent: u32,
    user: u32,
    command: String,
}

impl Status {
    /// Of a process that lives: one that only waits for its parent does nothing any more.
    fn read(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name))?;
            value.split_whitespace().next()
        };
        if matches!(field("State:")?, "Z" | "X") {
            return None;
        }
        let (parent, user) = (field("PPid:")?.parse().ok()?, field("Uid:")?.parse().ok()?);
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&words).replace('\0', " ");
        Some(Self { parent, user, command })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_its_users_and_descends_from_its_parent() {
        let own = User::from_uid(nix::unistd::geteuid()).unwrap().unwrap();
        let all = processes_of_user(&own.name).unwrap();
        let found = all.iter().find(|process| process.pid == std::process::id()).unwrap();
        assert!(found.descends_from(std::process::id()));
        assert!(found.descends_from(nix::unistd::getppid().as_raw().cast_unsigned()));
        assert!(!found.descends_from(u32::MAX));
    }
}
