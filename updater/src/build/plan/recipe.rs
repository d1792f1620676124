//! A build that was guessed: what is run, and what its host must have for that.

use std::collections::BTreeMap;

use protocol::BuildKind;

use super::version_range::VersionRange;

/// How a release of some kind is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) kind: BuildKind,
    /// The program that builds it, and the file by which it does.
    pub(super) by: (&'static str, String),
    pub(super) commands: Vec<Vec<String>>,
    /// Compiles the release's own sources.
    pub(super) compile: Option<Vec<String>>,
    /// What its tools are told.
    pub(super) environment: BTreeMap<String, String>,
    /// The lock file that only its program reads.
    pub(super) lock: Option<String>,
    pub(super) versions: Vec<WantedVersion>,
    /// The lock file that it passes over, because the release says so.
    pub(super) ignored_lock: Option<String>,
    /// What an operator may not expect of it.
    pub(super) notes: Vec<String>,
}

/// A version that a release wants of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedVersion {
    pub program: &'static str,
    pub range: VersionRange,
    /// Where it says so.
    pub said: &'static str,
}

impl Recipe {
    /// One that is run by a program of the host, because there is this file.
    pub(super) fn new(kind: BuildKind, program: &'static str, file: &str) -> Self {
        Self {
            kind,
            by: (program, file.to_owned()),
            commands: Vec::new(),
            compile: None,
            environment: BTreeMap::new(),
            lock: None,
            versions: Vec::new(),
            ignored_lock: None,
            notes: Vec::new(),
        }
    }

    /// The same, where the file is a lock that no other program reads.
    pub(super) fn locked(kind: BuildKind, program: &'static str, lock: &str) -> Self {
        Self { lock: Some(lock.to_owned()), ..Self::new(kind, program, lock) }
    }

    pub(super) fn run(mut self, command: &[&str]) -> Self {
        self.commands.push(words(command));
        self
    }

    pub(super) fn told(mut self, variables: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.environment.extend(variables.iter().map(own));
        self
    }

    /// The release wants such a version of a program, if it says one that can be read.
    pub(super) fn wanting(
        mut self,
        program: &'static str,
        range: Option<VersionRange>,
        said: &'static str,
    ) -> Self {
        self.versions.extend(range.map(|range| WantedVersion { program, range, said }));
        self
    }

    /// It passes over this lock file, because the release says so.
    pub(super) fn ignoring(mut self, lock: Option<&str>) -> Self {
        self.notes.extend(lock.map(|lock| {
            format!("{lock} is ignored ([build] lock = \"ignore\"): what is newest is installed")
        }));
        Self { ignored_lock: lock.map(str::to_owned), ..self }
    }

    /// What it is built with, for people: `uv from uv.lock`.
    pub(super) fn with(&self) -> String {
        format!("{} from {}", self.by.0, self.by.1)
    }
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
