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
    pub const fn file(&self) -> &'static str {
        match self {
            Self::UnknownBuild { file } | Self::NotInstallable { file } => file,
            Self::LockAlone { lock, .. } => lock,
        }
    }
}
