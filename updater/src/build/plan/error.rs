//! Why there is no plan for a release.

use protocol::unguessed_words;

/// Why there is no plan for a release. It is for the release to say otherwise, whatever the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It has the file of a build that is not guessed.
    #[error("find out how to build the release: {}", unguessed_words(file))]
    UnknownBuild {
        /// The file.
        file: &'static str,
    },
    /// It has a lock file, and not the file that its program reads it with.
    #[error(
        "build the release by {lock}: there is no {project} beside it, without which it is not read: add {project}, or say \
         `lock = \"ignore\"` in [build] to build without {lock}"
    )]
    LockAlone {
        /// The lock file.
        lock: &'static str,
        project: &'static str,
    },
    /// It has several lock files of no program's own, and none is the first.
    #[error(
        "build the release: it has {}, and nothing says which: name the one to be held to pylock.toml, or leave the others \
         out, or say `lock = \"ignore\"` in [build]",
        locks.join(", ")
    )]
    SeveralLocks { locks: Vec<String> },
    /// It is to be installed itself, and nothing says how it is built.
    #[error(
        "install the release's own package: pip takes no project that has neither a pyproject.toml nor a setup.py: add a \
         pyproject.toml with `[build-system]` and `requires = [\"setuptools\"]`"
    )]
    NotInstallable {
        /// Where it says that it is a package.
        file: &'static str,
    },
}

impl PlanError {
    /// The file of the release that is behind it.
    pub fn file(&self) -> &str {
        match self {
            Self::UnknownBuild { file } | Self::NotInstallable { file } => file,
            Self::LockAlone { lock, .. } => lock,
            Self::SeveralLocks { locks } => locks.first().map_or("", String::as_str),
        }
    }
}
