//! `[build]` of `release.toml`: how a release says that it is built on the host.

use serde::Deserialize;

use crate::{Command, EntryName, Period};

/// `[build]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BuildSection {
    /// The command, run in the release. Empty builds nothing.
    pub command: Option<Command>,
    /// Several commands, one after the other, instead of the one.
    pub commands: Option<Vec<Command>>,
    /// How long it may take.
    pub timeout: Option<Period>,
    /// How many things it does at once.
    pub jobs: Option<u32>,
    /// What is removed after it: paths in the release.
    pub clean: Vec<String>,
    /// What the lock files of the release are to a build that is guessed.
    pub lock: LockUse,
    /// How a Python project is installed.
    pub python: PythonSection,
}

/// What a lock file is to a build that is guessed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockUse {
    /// It is held to, or nothing is built.
    #[default]
    Frozen,
    /// It is passed over: what is newest is installed.
    Ignore,
}

/// `[build] python`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PythonSection {
    /// The extras of the project that are installed with it.
    pub extras: Vec<String>,
    /// The file of requirements; where it is not said, `requirements.txt` is taken or not by what else is
    /// there.
    pub requirements: Option<Requirements>,
}

/// `requirements = …`: a file, or whether `requirements.txt` is one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Requirements {
    /// Whether `requirements.txt` is installed.
    Default(bool),
    /// This file is.
    File(String),
}

impl BuildSection {
    /// What is wrong with it, if anything is.
    pub(crate) fn fault(&self) -> Option<String> {
        if self.command.is_some() && self.commands.is_some() {
            return Some("[build] has command or commands, not both".to_owned());
        }
        if self.commands.iter().flatten().any(|command| command.0.is_empty()) {
            return Some("[build] commands: a command has at least one word".to_owned());
        }
        if self.jobs == Some(0) {
            return Some("[build] jobs must be at least 1".to_owned());
        }
        let requirements = match &self.python.requirements {
            Some(Requirements::File(path)) => Some(path),
            _ => None,
        };
        let clean = self.clean.iter().map(|path| ("clean", path));
        let mut paths = clean.chain(requirements.map(|path| ("python.requirements", path)));
        if let Some((key, path)) = paths.find(|(_, path)| !is_inside(path)) {
            return Some(format!("[build] {key}: {path:?} must be a path in the release"));
        }
        let plain = |name: &&String| {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            name.is_empty() || name.starts_with('-') || !name.chars().all(fits)
        };
        let bad = self.python.extras.iter().find(plain)?;
        Some(format!("[build] python: {bad:?} is no name of an extra"))
    }
}

/// Whether it names something below the release, and not the release itself.
fn is_inside(path: &str) -> bool {
    !path.starts_with('-')
        && EntryName::parse(path.as_bytes())
            .is_ok_and(|name| matches!(name, EntryName::Inside { .. }))
}

#[cfg(test)]
mod tests {
    use crate::ReleaseManifest;

    use super::*;

    fn parsed(lines: &str) -> Result<BuildSection, String> {
        let manifest = ReleaseManifest::parse(&format!("[build]\n{lines}"));
        manifest.map(|it| it.build.unwrap_or_default()).map_err(|error| error.to_string())
    }

    #[test]
    fn all_that_it_may_say_is_read() {
        let section = parsed(
            "commands = [['./configure'], 'make install']\njobs = 2\nclean = ['target/debug']\n\
             lock = 'ignore'\npython = { extras = ['standard'], requirements = 'deploy/r.txt' }",
        );
        let section = section.unwrap();
        assert_eq!(section.commands.unwrap()[1].0, ["make", "install"]);
        assert_eq!((section.jobs, section.lock), (Some(2), LockUse::Ignore));
        let file = Requirements::File("deploy/r.txt".to_owned());
        assert_eq!(section.python.requirements, Some(file));
        let none = parsed("python = { requirements = false }").unwrap();
        assert_eq!(none.python.requirements, Some(Requirements::Default(false)));
        assert_eq!(none.lock, LockUse::Frozen);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for bad in [
            "command = 'a'\ncommands = ['b']",
            "commands = [[]]",
            "jobs = 0",
            "clean = ['../x']",
            "clean = ['/etc']",
            "clean = ['.']",
            "clean = ['']",
            "lock = 'maybe'",
            "python = { extras = ['a b'] }",
            "python = { extras = ['--index-url'] }",
            "python = { requirements = '../r.txt' }",
            "python = { requirments = false }",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }
}
