//! From the bundle to the host's own places. Done twice, it is as if it had been done once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use common::write_durably;
use nix::unistd::User;
use pki::{Identity, IdentityFiles, Paths, place_updater};
use protocol::HostName;
use serde::Serialize;
use time::OffsetDateTime;

use super::EnrollError;
use super::bundle::Bundle;
use crate::config::{Config, TrustedKey};

/// What became of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Placed {
    /// It was not there, and is now.
    Written,
    Kept,
    /// Another one was there, and is now under this name.
    Replaced(PathBuf),
}

/// A host whose files are where they belong.
#[derive(Debug, Serialize)]
pub struct Enrolled {
    /// Its name in the fleet, from its certificate.
    pub host: HostName,
    /// Until when the certificate holds.
    #[serde(with = "time::serde::rfc3339")]
    pub until: OffsetDateTime,
    /// The directory of its identity.
    pub identity: PathBuf,
    /// What became of that.
    pub identity_placed: Placed,
    pub config: PathBuf,
    /// What became of that. One that was there is kept, whatever the bundle has.
    pub config_placed: Placed,
    /// The user that its program runs as, where the host has the one that the bundle proposes.
    pub user: Option<&'static str>,
    /// The release keys that the configuration names, and that came with it.
    pub keys: Vec<PathBuf>,
}

/// The user that the package makes, and that a bundle's configuration proposes in a comment: the master does
/// not know whether the host has it.
const PROPOSED_USER: &str = "agent";

/// Checks the bundle in `directory`, which `owners` and root alone may have written, and puts its
/// identity and its configuration where `config`, or the configuration that is there already, says.
/// An identity that is another one is an error, unless `force` is set.
pub fn enroll(
    directory: &Path,
    owners: &[u32],
    config: &Path,
    force: bool,
    now: OffsetDateTime,
) -> Result<Enrolled, EnrollError> {
    let bundle = Bundle::read(directory, owners, now)?;
    let Some(host) = bundle.peer.role.host().cloned() else {
        return Err(EnrollError::Unfit(format!("{} has no host", bundle.peer.role)));
    };
    let mut user = None;
    let (text, config_placed) = match fs::read_to_string(config) {
        Ok(text) => (text, Placed::Kept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = bundle.configuration()?;
            let proposed =
                User::from_name(PROPOSED_USER).ok().flatten().and_then(|_| as_proposed_user(&text));
            user = proposed.as_ref().map(|_| PROPOSED_USER);
            (proposed.unwrap_or(text), Placed::Written)
        }
        Err(source) => return Err(EnrollError::File { path: config.to_owned(), source }),
    };
    let parsed = Config::from_text(&text, config)?;
    let identity = parsed.identity.clone();
    // Who may sign is said by the author of the configuration: an operator who has his own has his
    // own keys, too.
    let keys = match config_placed {
        Placed::Written => missing_keys(&parsed, &bundle)?,
        _ => Vec::new(),
    };
    let identity_placed = judge_place(&identity, &bundle, force, now)?;
    match &identity_placed {
        Placed::Kept => {}
        Placed::Written => place_updater(&bundle.files, &identity, None)?,
        Placed::Replaced(aside) => place_updater(&bundle.files, &identity, Some(aside))?,
    }
    for (path, bytes) in &keys {
        write_new(path, bytes)?;
    }
    if config_placed == Placed::Written {
        write_new(config, text.as_bytes())?;
    }
    Ok(Enrolled {
        host,
        until: bundle.peer.not_after,
        identity,
        identity_placed,
        config: config.to_owned(),
        config_placed,
        user,
        keys: keys.into_iter().map(|(path, _)| path).collect(),
    })
}

/// The configuration with the proposed user; none where it proposes none.
fn as_proposed_user(text: &str) -> Option<String> {
    let line = format!("user = \"{PROPOSED_USER}\"\n");
    let proposal = format!("\n# {line}");
    text.contains(&proposal).then(|| text.replace(&proposal, &format!("\n{line}")))
}

/// What is to be done with the identity's place.
fn judge_place(
    path: &Path,
    bundle: &Bundle,
    force: bool,
    now: OffsetDateTime,
) -> Result<Placed, EnrollError> {
    let is_empty = match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if is_empty {
        return Ok(Placed::Written);
    }
    let new = &bundle.peer;
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".replaced-{}", now.unix_timestamp()));
    let files = IdentityFiles::read(&Paths::updater(path)).ok();
    let identity = files.and_then(|files| Some((Identity::of(&files).ok()?, files)));
    let there = match identity {
        Some((identity, _)) if identity.peer().fingerprint == new.fingerprint => {
            return Ok(Placed::Kept);
        }
        Some((identity, files)) if renews(&identity, &files, bundle) => {
            return Ok(Placed::Replaced(aside.into()));
        }
        Some((identity, _)) => {
            format!("{} ({})", identity.role(), identity.peer().fingerprint)
        }
        None => "something that is no identity".to_owned(),
    };
    if force {
        return Ok(Placed::Replaced(aside.into()));
    }
    Err(EnrollError::Other { path: path.to_owned(), new: new.role.clone(), there })
}

/// Whether a bundle has a later certificate of the same updater, from the same CA.
fn renews(there: &Identity, files: &IdentityFiles, bundle: &Bundle) -> bool {
    let (old, new) = (there.peer(), &bundle.peer);
    old.role == new.role
        && old.fleet == new.fleet
        && old.not_after <= new.not_after
        && files.have_the_same_authority(&bundle.files)
}

/// Keys that the configuration names in a file, that are missing, and that lie in the bundle.
fn missing_keys(config: &Config, bundle: &Bundle) -> Result<Vec<(PathBuf, Vec<u8>)>, EnrollError> {
    let mut missing = Vec::new();
    let keys = config.apps.values().flat_map(|app| &app.trusted_keys);
    for key in keys.chain(&config.self_update.trusted_keys) {
        let TrustedKey::File(path) = key else { continue };
        if path.exists() || missing.iter().any(|(known, _)| known == path) {
            continue;
        }
        missing.extend(bundle.file_like(path)?.map(|bytes| (path.clone(), bytes)));
    }
    Ok(missing)
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), EnrollError> {
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory)
        .and_then(|()| write_durably(path, bytes))
        .map_err(file_error(path))
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> EnrollError {
    let path = path.to_owned();
    move |source| EnrollError::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proposed_user_is_taken_from_the_comment() {
        let text = "[app.agent]\n# Who runs it.\n# user = \"agent\"\n# links = []\n";
        let with = as_proposed_user(text).unwrap();
        assert_eq!(with, "[app.agent]\n# Who runs it.\nuser = \"agent\"\n# links = []\n");
        assert_eq!(as_proposed_user(&with), None);
        assert_eq!(as_proposed_user("# the user = \"agent\"\n"), None);
    }
}
