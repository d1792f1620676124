//! What is in the directory that came from the master, and whether it can be used.
//!
//! What is checked is what is used: each file is read once, by a handle whose owner and mode were
//! looked at, out of a directory of which the same is so.

use std::io;
use std::path::{Path, PathBuf};

use pki::{Identity, IdentityFiles, Paths, Peer};
use time::OffsetDateTime;

use super::EnrollError;
use super::guarded::Guarded;
use crate::check::judge_identity;
use crate::config::has_errors;

/// A bundle that holds together: the key is the certificate's, the CA signed it, it is an updater's
/// and in its time, and no other user could have written any of it.
#[derive(Debug)]
pub(super) struct Bundle {
    top: Guarded,
    pub(super) files: IdentityFiles,
    pub(super) peer: Peer,
}

impl Bundle {
    /// Reads the one in `directory`, which these users and root alone may have written.
    pub(super) fn read(
        directory: &Path,
        owners: &[u32],
        now: OffsetDateTime,
    ) -> Result<Self, EnrollError> {
        let top = Guarded::open(directory, owners)?;
        let updater = directory.join("updater");
        let files = identity_files(&top.directory("updater")?, Paths::updater(&updater))?;
        let identity = Identity::of(&files)?;
        let findings = judge_identity(&identity, now);
        if has_errors(&findings) {
            let said: Vec<_> = findings.into_iter().map(|finding| finding.message).collect();
            return Err(EnrollError::Unfit(said.join("; ")));
        }
        if let Some(place) = if_there(top.directory("agent"))? {
            let agent = identity_files(&place, Paths::agent(&directory.join("agent")))?;
            let agent = Identity::of(&agent)?;
            if agent.role().host() != identity.role().host() {
                let (updater, agent) = (identity.role().clone(), agent.role().clone());
                return Err(EnrollError::Mixed { updater, agent });
            }
        }
        Ok(Self { top, files, peer: identity.peer().clone() })
    }

    /// The text of the configuration.
    pub(super) fn configuration(&self) -> Result<String, EnrollError> {
        let name = "updater.toml";
        let fail = |error| self.top.unread(name)(io::Error::other(error));
        String::from_utf8(self.top.read(name)?).map_err(fail)
    }

    /// What is in a file of the same name as one that the configuration needs.
    pub(super) fn file_like(&self, path: &Path) -> Result<Option<Vec<u8>>, EnrollError> {
        let name = path.file_name().and_then(|name| name.to_str());
        name.map_or(Ok(None), |name| if_there(self.top.read(name)))
    }
}

fn identity_files(place: &Guarded, paths: Paths) -> Result<IdentityFiles, EnrollError> {
    let named =
        |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let ca = place.read(&named(&paths.ca))?;
    let certificate = place.read(&named(&paths.certificate))?;
    let key = place.read_key(&named(&paths.key))?;
    Ok(IdentityFiles::new(paths, ca, certificate, key))
}

fn if_there<T>(read: Result<T, EnrollError>) -> Result<Option<T>, EnrollError> {
    match read {
        Err(EnrollError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        read => read.map(Some),
    }
}
