//! The users that builds and agents run as.

use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist};
use std::ffi::CString;

use crate::config::Finding;

/// A user with its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: Uid,
    groups: Vec<Gid>,
}

/// The bits that a file's mode has for one class of users.
pub(super) struct Access {
    pub(super) write: bool,
    pub(super) enter: bool,
}

impl Account {
    /// Whoever runs this program.
    pub(super) fn own() -> Self {
        let uid = geteuid();
        match User::from_uid(uid) {
            Ok(Some(user)) => Self::of(user),
            _ => Self { name: uid.to_string(), uid, groups: vec![nix::unistd::getegid()] },
        }
    }

    fn of(user: User) -> Self {
        let groups = CString::new(user.name.as_str())
            .ok()
            .and_then(|name| getgrouplist(&name, user.gid).ok())
            .unwrap_or_else(|| vec![user.gid]);
        Self { name: user.name, uid: user.uid, groups }
    }

    /// What a directory's owner, group and mode let this user do. Root may do everything.
    pub(super) fn access(&self, uid: u32, gid: u32, mode: u32) -> Access {
        if self.uid.is_root() {
            return Access { write: true, enter: true };
        }
        let shift = if self.uid.as_raw() == uid {
            6
        } else if self.groups.contains(&Gid::from_raw(gid)) {
            3
        } else {
            0
        };
        Access { write: mode >> shift & 0o2 != 0, enter: mode >> shift & 0o1 != 0 }
    }
}

/// Finds an app's user. `None` where it is the updater's own, or is not there.
pub(super) fn check(
    key: &str,
    name: Option<&str>,
    own: &Account,
    findings: &mut Vec<Finding>,
) -> Option<Account> {
    let Some(name) = name else {
        if own.uid.is_root() {
            findings.push(
                Finding::warning(key, "is not set: every release is built and run as root")
                    .hint("make a user for the app: useradd --system NAME"),
            );
        }
        return None;
    };
    match User::from_name(name) {
        Ok(Some(user)) if user.uid == own.uid => None,
        Ok(Some(user)) => {
            if !own.uid.is_root() {
                findings.push(
                    Finding::error(key, format!("only root can run programs as {name}")).hint(
                        format!("run the updater as root, or remove it to run as {}", own.name),
                    ),
                );
            }
            Some(Account::of(user))
        }
        Ok(None) => {
            findings.push(
                Finding::error(key, format!("there is no user {name} on this machine"))
                    .hint(format!("run: useradd --system {name}")),
            );
            None
        }
        Err(error) => {
            findings.push(Finding::error(key, format!("look up the user {name}: {error}")));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(uid: u32, groups: &[u32]) -> Account {
        let groups = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        Account { name: uid.to_string(), uid: Uid::from_raw(uid), groups }
    }

    #[test]
    fn the_class_of_the_user_decides() {
        let user = account(7, &[8]);
        assert!(user.access(7, 0, 0o300).write && !user.access(7, 8, 0o077).write);
        assert!(user.access(0, 8, 0o020).write && !user.access(0, 8, 0o707).enter);
        assert!(user.access(0, 0, 0o001).enter && !user.access(0, 0, 0o774).enter);
        assert!(account(0, &[]).access(7, 7, 0).write);
    }

    #[test]
    fn a_user_that_is_not_there_is_an_error_and_root_a_warning() {
        let mut findings = Vec::new();
        assert_eq!(
            check("app.a.user", Some("no-such-user"), &account(0, &[]), &mut findings),
            None
        );
        assert!(findings[0].hint.as_deref().unwrap().contains("useradd"));
        assert_eq!(check("app.a.user", None, &account(0, &[]), &mut findings), None);
        assert!(findings[1].message.contains("as root"));
        assert_eq!(check("app.a.user", None, &account(9, &[]), &mut findings), None);
        assert_eq!(findings.len(), 2);
        assert!(check("app.a.user", Some("root"), &account(9, &[]), &mut findings).is_some());
        assert!(findings[2].message.contains("only root"));
    }
}
