//! Where a master's state lives: its CA, its identity, its store and its archives.
//!
//! It names paths and makes the directory; what is in the files is not its business.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use explain::{Exit, Explain};
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
    /// Others may read or write it.
    #[error("trust {}: others may enter it (mode {mode:04o})", .path.display())]
    Open { path: PathBuf, mode: u32 },
}

impl Explain for HomeError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Nowhere => Some("say where with --home DIR or SWARM_HOME".to_owned()),
            Self::NotInitialised(_) => {
                Some("run: swarm init (or name another place with --home DIR)".to_owned())
            }
            Self::Open { path, .. } => Some(format!("run: chmod 700 {}", path.display())),
            Self::Make { .. } => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Nowhere | Self::NotInitialised(_) => Exit::Usage,
            Self::Make { .. } | Self::Open { .. } => Exit::Failed,
        }
    }
}

/// What decides where the home is, besides `--home` and `SWARM_HOME`.
#[derive(Debug, Clone, Default)]
pub struct HomeEnvironment {
    /// Whether the caller is root.
    pub root: bool,
    /// `XDG_DATA_HOME`.
    pub data_home: Option<PathBuf>,
    /// `HOME`.
    pub user_home: Option<PathBuf>,
}

impl HomeEnvironment {
    /// Those of this process.
    pub fn of_this_process() -> Self {
        let path = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        Self {
            root: nix::unistd::geteuid().is_root(),
            data_home: path("XDG_DATA_HOME").filter(|path| path.is_absolute()),
            user_home: path("HOME"),
        }
    }
}

impl Home {
    /// The home that was named, else `/var/lib/swarm` for root and the user's data directory for
    /// anyone else (XDG Base Directory Specification).
    pub fn locate(named: Option<&Path>, surroundings: &HomeEnvironment) -> Result<Self, HomeError> {
        let root = match (named, surroundings) {
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
                if is_empty(&self.root).map_err(make)? {
                    std::fs::set_permissions(&self.root, Permissions::from_mode(0o700))
                        .map_err(make)?;
                }
                self.check_mode()
            }
            Err(error) => Err(make(error)),
        }
    }

    /// Refuses a home without a store, and one that others may enter.
    pub fn check(&self) -> Result<(), HomeError> {
        if !self.store().is_file() {
            return Err(HomeError::NotInitialised(self.root.clone()));
        }
        self.check_mode()
    }

    fn check_mode(&self) -> Result<(), HomeError> {
        let metadata = std::fs::metadata(&self.root)
            .map_err(|source| HomeError::Make { path: self.root.clone(), source })?;
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

fn is_empty(path: &Path) -> io::Result<bool> {
    Ok(std::fs::read_dir(path)?.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(named: Option<&str>, surroundings: &HomeEnvironment) -> PathBuf {
        Home::locate(named.map(Path::new), surroundings).unwrap().root().to_owned()
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
    }
}
