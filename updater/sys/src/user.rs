//! The users that builds and agents run as.
//!
//! Never guesses: a user that the system does not know is an error, not the updater's own.

use std::ffi::CString;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid};

/// A user of this host, with all groups that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: u32,
    /// The primary group's number.
    pub gid: u32,
    /// The supplementary groups' numbers, the primary one among them.
    pub groups: Vec<u32>,
    pub home: PathBuf,
}

/// Why a user could not be found.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("find the user {0:?}: this host has none of that name")]
    Unknown(String),
    /// The user database could not be read.
    #[error("look up the user {name:?}")]
    LookUp {
        /// The user's name or number.
        name: String,
        /// What the system said.
        source: Errno,
    },
}

impl User {
    /// Looks a user up by its login name.
    pub fn by_name(name: &str) -> Result<Self, UserError> {
        let look_up = |source| UserError::LookUp { name: name.to_owned(), source };
        let found = nix::unistd::User::from_name(name).map_err(look_up)?;
        let found = found.ok_or_else(|| UserError::Unknown(name.to_owned()))?;
        Self::with_groups(found)
    }

    /// Looks a user up by its number.
    pub fn by_number(uid: u32) -> Result<Self, UserError> {
        let look_up = |source| UserError::LookUp { name: uid.to_string(), source };
        let found = nix::unistd::User::from_uid(Uid::from_raw(uid)).map_err(look_up)?;
        Self::with_groups(found.ok_or_else(|| UserError::Unknown(uid.to_string()))?)
    }

    /// The user that this process runs as. A number without a name is its own name, as in a
    /// container.
    pub fn current() -> Result<Self, UserError> {
        let uid = Uid::effective();
        let look_up = |source| UserError::LookUp { name: uid.to_string(), source };
        match nix::unistd::User::from_uid(uid).map_err(look_up)? {
            Some(found) => Self::with_groups(found),
            None => Ok(Self {
                name: uid.to_string(),
                uid: uid.as_raw(),
                gid: Gid::effective().as_raw(),
                groups: vec![Gid::effective().as_raw()],
                home: "/".into(),
            }),
        }
    }

    /// Whether this is the user that this process runs as already.
    pub fn is_current(&self) -> bool {
        self.uid == Uid::effective().as_raw()
    }

    fn with_groups(found: nix::unistd::User) -> Result<Self, UserError> {
        let look_up = |source| UserError::LookUp { name: found.name.clone(), source };
        let name = CString::new(found.name.as_str()).map_err(|_| look_up(Errno::EINVAL))?;
        let groups = nix::unistd::getgrouplist(&name, found.gid).map_err(look_up)?;
        Ok(Self {
            uid: found.uid.as_raw(),
            gid: found.gid.as_raw(),
            groups: groups.into_iter().map(Gid::as_raw).collect(),
            home: found.dir,
            name: found.name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_with_its_group_and_home() {
        let root = User::by_name("root").unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        assert!(root.home.is_absolute());
    }

    #[test]
    fn an_unknown_user_is_an_error_that_names_it() {
        let error = User::by_name("no-such-user-here").unwrap_err();
        assert!(error.to_string().contains("no-such-user-here"), "{error}");
        assert!(User::by_name("a\0b").is_err());
    }

    #[test]
    fn the_current_user_is_current() {
        assert!(User::current().unwrap().is_current());
    }
}
