//! Where a master's state lives: its CA, its identity, its store and its archives.
//!
//! It names paths and makes the directory; what is in the files is not its business.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use explain::{Exit, Explain, FailureCode};
use protocol::Digest;

/// A master's directory. Only its owner may look into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

/// Why there is no home.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Neither `--home` nor `SWARM_HOME`, and the user has no directory of their own.
    #[error("find a place for the master's state: neither XDG_DATA_HOME nor HOME is set")]
    Nowhere,
    /// There is nothing yet.
    #[error("find a master in {}", .0.display())]
    NotInitialised(PathBuf),
    /// It could not be made.
    #[error("make the directory {}", .path.display())]
    Make { path: PathBuf, source: io::Error },
    /// This user may not look into it.
    #[error("look into {}: permission denied{}", .path.display(), belongs(.owner.as_ref()))]
    Closed {
        path: PathBuf,
        /// Whose it is, and its mode, as far as that can be seen.
        owner: Option<(String, u32)>,
    },
    /// It is there, and another user's.
    #[error("trust {}: it belongs to {owner}, and this is {user}", .path.display())]
    Foreign { path: PathBuf, owner: String, user: String },
    /// It could not be looked into.
    #[error("look into {}", .path.display())]
    Look { path: PathBuf, source: io::Error },
    /// Others may read or write it.
    #[error("trust {}: others may enter it (mode {mode:04o})", .path.display())]
    Open { path: PathBuf, mode: u32 },
}

impl Explain for HomeError {
    fn code(&self) -> FailureCode {
        match self {
            Self::Nowhere | Self::NotInitialised(_) => FailureCode::NoMaster,
            Self::Closed { .. } | Self::Foreign { .. } | Self::Open { .. } => {
                FailureCode::NotPermitted
            }
            Self::Make { .. } | Self::Look { .. } => FailureCode::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Nowhere => Some("say where with --home DIR or SWARM_HOME".to_owned()),
            Self::NotInitialised(_) => {
                Some("run: swarm init (or name another place with --home DIR)".to_owned())
            }
            Self::Closed { owner: Some((owner, _)), .. } => {
                Some(format!("run it as {owner}, or name another place with --home DIR"))
            }
            Self::Closed { owner: None, .. } => {
                Some("run it as its owner (sudo), or name another place with --home DIR".to_owned())
            }
            Self::Foreign { path, owner, user } => Some(format!(
                "run it as {owner} (sudo -u {owner} swarm …), or, if it is to be {user}'s, run: chown \
                 -R {user} {}",
                path.display()
            )),
            Self::Open { path, .. } => Some(format!("run: chmod 700 {}", path.display())),
            Self::Make { .. } | Self::Look { .. } => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Nowhere | Self::NotInitialised(_) => Exit::Usage,
            Self::Make { .. }
            | Self::Closed { .. }
            | Self::Foreign { .. }
            | Self::Look { .. }
            | Self::Open { .. } => Exit::Failed,
        }
    }
}

/// What decides where the home is, besides `--home` and `SWARM_HOME`.
#[derive(Debug, Clone, Default)]
pub struct HomeEnvironment {
    /// Whether the caller is root.
    pub root: bool,
    /// `XDG_DATA_HOME`, where it is absolute.
    pub data_home: Option<PathBuf>,
    /// `HOME`.
    pub user_home: Option<PathBuf>,
}

impl Home {
    /// The home that was named, else `/var/lib/swarm` for root and the user's data directory for
    /// anyone else (XDG Base Directory Specification).
    pub fn locate(named: Option<&Path>, environment: &HomeEnvironment) -> Result<Self, HomeError> {
        let root = match (named, environment) {
            (Some(path), _) => path.to_owned(),
            (None, HomeEnvironment { root: true, .. }) => PathBuf::from("/var/lib/swarm"),
            (None, HomeEnvironment { data_home: Some(data), .. }) => data.join("swarm"),
            (None, HomeEnvironment { user_home: Some(home), .. }) => {
                home.join(".local/share/swarm")
            }
            (None, _) => return Err(HomeError::Nowhere),
        };
        Ok(Self { root })
    }

    /// Makes the directory, for its owner alone. One that is there already must be its owner's
    /// alone too.
    pub fn create(&self) -> Result<(), HomeError> {
        let make = |source| HomeError::Make { path: self.root.clone(), source };
        if let Some(parent) = self.root.parent() {
            DirBuilder::new().recursive(true).create(parent).map_err(make)?;
        }
        match DirBuilder::new().mode(0o700).create(&self.root) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if is_empty(&self.root).map_err(|error| self.unseen(error))? {
                    std::fs::set_permissions(&self.root, Permissions::from_mode(0o700))
                        .map_err(make)?;
                }
                self.check_owner_and_mode()
            }
            Err(error) => Err(make(error)),
        }
    }

    /// Refuses a home without a store, and one that others may enter.
    pub fn check(&self) -> Result<(), HomeError> {
        match std::fs::metadata(self.store()) {
            Ok(store) if store.is_file() => {}
            Ok(_) => return Err(HomeError::NotInitialised(self.root.clone())),
            Err(error) => return Err(self.unseen(error)),
        }
        self.check_owner_and_mode()
    }

    /// Why nothing is seen of it: it is not there, or it is closed to this user.
    fn unseen(&self, source: io::Error) -> HomeError {
        let path = self.root.clone();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                HomeError::NotInitialised(path)
            }
            io::ErrorKind::PermissionDenied => {
                let root = std::fs::metadata(&self.root).ok();
                let owner = root.map(|root| (name_of(root.uid()), root.mode() & 0o7777));
                HomeError::Closed { path, owner }
            }
            _ => HomeError::Look { path, source },
        }
    }

    fn check_owner_and_mode(&self) -> Result<(), HomeError> {
        let metadata = std::fs::metadata(&self.root).map_err(|error| self.unseen(error))?;
        let user = nix::unistd::geteuid();
        // Root could use another user's, who would then say what root runs, by its hooks.
        if metadata.uid() != user.as_raw() {
            let (owner, user) = (name_of(metadata.uid()), name_of(user.as_raw()));
            return Err(HomeError::Foreign { path: self.root.clone(), owner, user });
        }
        let mode = metadata.mode() & 0o7777;
        let others = mode & 0o077;
        if others == 0 {
            return Ok(());
        }
        Err(HomeError::Open { path: self.root.clone(), mode })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The CA's directory: `ca.crt`, `ca.key`.
    pub fn ca(&self) -> PathBuf {
        self.root.join("ca")
    }

    /// The directory of the master's own identity: `master.crt`, `master.key`.
    pub fn identity(&self) -> PathBuf {
        self.root.join("master")
    }

    pub fn store(&self) -> PathBuf {
        self.root.join("swarm.db")
    }

    /// What this master is configured to do; it need not be there.
    pub fn config(&self) -> PathBuf {
        self.root.join("swarm.toml")
    }

    /// The directory of archives.
    pub fn archives(&self) -> PathBuf {
        self.root.join("archives")
    }

    /// Where the archive of a release is kept: by its digest, whatever it is compressed with.
    pub fn archive(&self, digest: &Digest) -> PathBuf {
        self.archives().join(digest.hex())
    }
}

/// A user's name, or number where it has none.
fn name_of(user: u32) -> String {
    let known = nix::unistd::User::from_uid(user.into()).ok().flatten();
    known.map_or_else(|| user.to_string(), |user| user.name)
}

fn belongs(owner: Option<&(String, u32)>) -> String {
    match owner {
        Some((owner, mode)) => format!(", it belongs to {owner} (mode {mode:04o})"),
        None => String::new(),
    }
}

fn is_empty(path: &Path) -> io::Result<bool> {
    Ok(std::fs::read_dir(path)?.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(named: Option<&str>, environment: &HomeEnvironment) -> PathBuf {
        Home::locate(named.map(Path::new), environment).unwrap().root().to_owned()
    }

    #[test]
    fn a_named_home_wins_and_root_has_one_of_its_own() {
        let user = HomeEnvironment {
            root: false,
            data_home: Some("/data".into()),
            user_home: Some("/home/ada".into()),
        };
        assert_eq!(home(Some("/x"), &user), Path::new("/x"));
        assert_eq!(home(None, &user), Path::new("/data/swarm"));
        let no_xdg = HomeEnvironment { data_home: None, ..user.clone() };
        assert_eq!(home(None, &no_xdg), Path::new("/home/ada/.local/share/swarm"));
        let root = HomeEnvironment { root: true, ..user };
        assert_eq!(home(None, &root), Path::new("/var/lib/swarm"));
        assert!(Home::locate(None, &HomeEnvironment::default()).is_err());
    }

    #[test]
    fn a_home_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home { root: dir.path().join("deep/swarm") };
        home.create().unwrap();
        let mode = std::fs::metadata(home.root()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(matches!(home.check(), Err(HomeError::NotInitialised(_))));
        std::fs::write(home.store(), "").unwrap();
        home.check().unwrap();
        std::fs::set_permissions(home.root(), Permissions::from_mode(0o755)).unwrap();
        let error = home.check().unwrap_err();
        assert!(error.hint().unwrap().contains("chmod 700"));
        std::fs::set_permissions(home.root(), Permissions::from_mode(0o700)).unwrap();
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(home.root(), Some(65534), None).unwrap();
            let error = home.check().unwrap_err();
            assert!(matches!(error, HomeError::Foreign { .. }), "{error:?}");
        }
    }

    #[test]
    fn what_one_may_not_see_is_not_called_absent() {
        let home = Home { root: "/home/ada/swarm".into() };
        let unseen = |kind: io::ErrorKind| home.unseen(kind.into());
        let absent = unseen(io::ErrorKind::NotFound);
        assert!(matches!(absent, HomeError::NotInitialised(_)));
        let closed = unseen(io::ErrorKind::PermissionDenied);
        assert!(closed.to_string().contains("permission denied"));
        assert_eq!(closed.exit(), Exit::Failed);
        let (path, owner) = ("/h".into(), Some(("ada".to_owned(), 0o700)));
        let closed = HomeError::Closed { path, owner };
        assert_eq!(
            closed.to_string(),
            "look into /h: permission denied, it belongs to ada (mode 0700)"
        );
    }
}
