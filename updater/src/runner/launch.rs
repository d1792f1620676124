//! What an agent is started with: the release, the command, the whole environment.
//!
//! It is made anew for every start, so that nothing meant for one start sticks to the next.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use protocol::{Digest, RunSection};

use super::{Behaviour, RunnerError};
use crate::config::RunConfig;
use crate::sys::program::STANDARD_PATH;

/// One start of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The release's own directory, without links in it.
    pub release_path: PathBuf,
    /// Which release it is.
    pub digest: Digest,
    /// The version that it says it has.
    pub version: Option<String>,
    /// The command. Its first word is looked up in the PATH, or with a slash in it in the release.
    /// Units have their own.
    pub command: Vec<String>,
    /// What the environment has besides the small standard one and the `RELEASE_*` variables.
    pub environment: BTreeMap<String, String>,
    /// How it wants to be ended.
    pub behaviour: Behaviour,
}

/// The command that starts a release: the host's configuration wins over what the release says. `None`
/// where it has no process, because that is said, or because it is `files_alone`.
pub fn command_of(
    config: &RunConfig,
    manifest: Option<&RunSection>,
    files_alone: bool,
) -> Result<Option<Vec<String>>, RunnerError> {
    let configured = config.command.as_ref();
    let command = configured.or_else(|| manifest.and_then(|run| run.command.as_ref()));
    match command.map(|command| command.0.as_slice()) {
        Some([]) => Ok(None),
        None if files_alone => Ok(None),
        Some(words @ [first, ..]) if !first.is_empty() => Ok(Some(words.to_vec())),
        _ => Err(RunnerError::NoCommand),
    }
}

/// The PATH of what runs in a release: its virtualenv's programs come first, if it has one.
pub fn release_path_variable(release: &Path, configured: Option<&str>) -> String {
    let path = configured.unwrap_or(STANDARD_PATH);
    let environment = release.join(".venv/bin");
    if environment.is_dir() { format!("{}:{path}", environment.display()) } else { path.to_owned() }
}

impl Launch {
    /// What is added to the standard environment, the `RELEASE_*` variables among it.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = self.environment.clone();
        let configured = variables.get("PATH").map(String::as_str);
        let path = release_path_variable(&self.release_path, configured);
        variables.insert("PATH".to_owned(), path);
        variables.extend(self.release_variables());
        variables
    }

    /// What names the release to the processes that run in it.
    pub fn release_variables(&self) -> [(String, String); 3] {
        [
            ("RELEASE_DIGEST".to_owned(), self.digest.to_string()),
            ("RELEASE_VERSION".to_owned(), self.version.clone().unwrap_or_default()),
            ("RELEASE_PATH".to_owned(), self.release_path.to_string_lossy().into_owned()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use protocol::Command;

    use super::*;

    fn section(words: &[&str]) -> RunSection {
        let words = words.iter().copied().map(str::to_owned).collect();
        RunSection { command: Some(Command(words)), ..RunSection::default() }
    }

    #[test]
    fn the_hosts_command_wins_and_none_says_what_to_write() {
        let config = RunConfig { command: section(&["a"]).command, ..RunConfig::default() };
        let of = |config: &RunConfig, words: &[&str]| {
            command_of(config, Some(&section(words)), false).map(Option::unwrap_or_default)
        };
        assert_eq!(of(&config, &["b"]).unwrap(), ["a"]);
        let config = RunConfig::default();
        assert_eq!(of(&config, &["b"]).unwrap(), ["b"]);
        let error = command_of(&config, None, false).unwrap_err();
        assert!(error.to_string().contains("release.toml"), "{error}");
        assert!(of(&config, &[""]).is_err());
        // There is no process where that is said, or where nothing can be started.
        assert_eq!(of(&config, &[]).unwrap(), [""; 0]);
        assert_eq!(command_of(&config, None, true).unwrap(), None);
        let nothing = RunConfig::from(Command(Vec::new()));
        assert_eq!(of(&nothing, &["b"]).unwrap(), [""; 0]);
    }

    #[test]
    fn a_virtualenv_comes_first_in_the_path() {
        let release = tempfile::tempdir().unwrap();
        assert_eq!(release_path_variable(release.path(), Some("/x")), "/x");
        std::fs::create_dir_all(release.path().join(".venv/bin")).unwrap();
        let path = release_path_variable(release.path(), None);
        assert_eq!(path, format!("{}/.venv/bin:{STANDARD_PATH}", release.path().display()));
    }
}
