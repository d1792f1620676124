//! What is in the directory that came from the master, and whether it can be used.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pki::{Identity, Paths, Peer};
use time::OffsetDateTime;

use super::EnrollError;
use crate::config::{has_errors, judge_identity};

/// A bundle that holds together: the key is the certificate's, the CA signed it, it is an updater's
/// and in its time, and nobody else could have written any of it.
#[derive(Debug)]
pub(super) struct Bundle {
    directory: PathBuf,
    pub(super) peer: Peer,
}

impl Bundle {
    pub(super) fn read(directory: &Path, now: OffsetDateTime) -> Result<Self, EnrollError> {
        let identity = Identity::load(&Paths::updater(&directory.join("updater")))?;
        let findings = judge_identity(&identity, now);
        if has_errors(&findings) {
            let said: Vec<_> = findings.into_iter().map(|finding| finding.message).collect();
            return Err(EnrollError::Unfit(said.join("; ")));
        }
        let agent = Paths::agent(&directory.join("agent"));
        if agent.certificate.exists() {
            let agent = Identity::load(&agent)?;
            if agent.role().host() != identity.role().host() {
                let (updater, agent) = (identity.role().clone(), agent.role().clone());
                return Err(EnrollError::Mixed { updater, agent });
            }
        }
        let bundle = Self { directory: directory.to_owned(), peer: identity.peer().clone() };
        for path in [directory.to_owned(), bundle.identity(), bundle.configuration()] {
            let mode = fs::metadata(&path).map(|metadata| metadata.permissions().mode());
            if mode.is_ok_and(|mode| mode & 0o022 != 0) {
                return Err(EnrollError::Open(path));
            }
        }
        Ok(bundle)
    }

    pub(super) fn identity(&self) -> PathBuf {
        self.directory.join("updater")
    }

    pub(super) fn configuration(&self) -> PathBuf {
        self.directory.join("updater.toml")
    }

    /// A file of the same name as one that the configuration needs.
    pub(super) fn file_like(&self, path: &Path) -> Option<PathBuf> {
        let found = self.directory.join(path.file_name()?);
        found.is_file().then_some(found)
    }
}
