//! What can go wrong when an archive is made.

use std::io;
use std::path::{Path, PathBuf};

use explain::{Exit, Explain, FailureCode};
use protocol::ManifestError;

use crate::interrupt::Cancelled;

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The operator wants no archive any more.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// There is no such directory.
    #[error("pack {}: it is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// Something in the tree could not be read.
    #[error("read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The archive could not be written.
    #[error("write {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The release's own description is wrong.
    #[error("read {}, {}", .path.display(), .fault.fault())]
    Manifest { path: PathBuf, fault: ManifestError },
    /// A pattern that means nothing.
    #[error("read {glob:?} as a glob")]
    Glob {
        /// As it was written.
        glob: String,
        source: globset::Error,
    },
    /// `[pack] include` names something that is not there: the release would lack it.
    #[error("pack all that is included: {0:?} matches nothing")]
    NotIncluded(String),
    /// The directory belongs to a git work tree, and git does not say what it tracks.
    #[error("ask git what it tracks in {}: {message}", .root.display())]
    Git { root: PathBuf, message: String },
    /// Git would wait for it for ever.
    #[error("read {}: it is {kind}, where git reads a file", .path.display())]
    NotPlain { path: PathBuf, kind: &'static str },
    /// A submodule that was never checked out, or a repository in this one.
    #[error("pack {0}: git tracks a commit of another repository there, and no files")]
    Submodule(String),
    /// Git tracks a file that is not on the disk: the release would lack it.
    #[error(
        "pack {path:?}{}: git tracks it, and it is not there",
        if *.more == 0 { String::new() } else { format!(" and {more} more") }
    )]
    Missing {
        /// The first of them.
        path: String,
        /// How many there are besides.
        more: usize,
    },
    /// A git work tree, in which git tracks nothing.
    #[error("pack {}: git tracks nothing in it", .0.display())]
    NothingTracked(PathBuf),
    /// There is a `release.toml` that no host would read.
    #[error("read {}", .path.display())]
    ManifestFile { path: PathBuf, source: io::Error },
    /// An archive cannot be read as the hosts read it.
    #[error("read {}", .path.display())]
    Archive {
        path: PathBuf,
        #[source]
        source: Box<archive::UnpackError>,
    },
    /// There is nothing to pack.
    #[error("pack {}: nothing in it is to be packed", .0.display())]
    Empty(PathBuf),
    /// An updater would refuse these entries.
    #[error("pack {}", refusals(.0))]
    Refused(Vec<Refusal>),
    /// A file was written to, or replaced, while it was packed.
    #[error("pack {}: it changed while it was read", .0.display())]
    Changed(PathBuf),
    /// Neither of the two that an updater reads.
    #[error("take {} as an archive: it is neither gzip nor zstd", .0.display())]
    NotAnArchive(PathBuf),
    /// It would be sent to updaters in their own place.
    #[error("take {} as the updaters' own release: it has no program bin/updater", .0.display())]
    NotAnUpdater(PathBuf),
    /// There is no updater to pack.
    #[error("find an updater to send: {} is not there", .0.display())]
    NoUpdater(PathBuf),
}

/// An entry that an updater would refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub path: String,
    /// The rule that it breaks.
    pub rule: String,
}

/// Refusals that are named.
const NAMED: usize = 20;

fn refusals(all: &[Refusal]) -> String {
    let named = all.iter().take(NAMED).map(|Refusal { path, rule }| format!("{path:?}: {rule}"));
    let named = named.collect::<Vec<_>>().join("; ");
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

/// What would leave all of them out: the directory that they are in, or themselves.
fn leave_out(all: &[Refusal]) -> String {
    let parent = |refusal: &Refusal| refusal.path.split_once('/').map(|(top, _)| top.to_owned());
    let parents: Vec<_> = all.iter().map(parent).collect();
    match (parents.first(), all) {
        (Some(Some(top)), [_, _, ..]) if parents.iter().all(|it| it.as_ref() == Some(top)) => {
            format!("--exclude {top}")
        }
        (_, [one]) => format!("--exclude {}", one.path),
        _ => "--exclude GLOB".to_owned(),
    }
}

impl Explain for PackError {
    fn code(&self) -> FailureCode {
        match self {
            Self::Cancelled(_) => FailureCode::Interrupted,
            Self::Read { .. } | Self::Write { .. } => FailureCode::Failed,
            _ => FailureCode::BadRelease,
        }
    }

    fn hint(&self) -> Option<String> {
        let words = match self {
            Self::Refused(all) => {
                return Some(format!(
                    "leave out what does not belong to the release, with {} or [pack] exclude",
                    leave_out(all)
                ));
            }
            Self::Git { root, message } if message.contains("dubious ownership") => {
                return Some(format!(
                    "pack as the user who owns it, or trust it: git config --global --add \
                     safe.directory {}",
                    root.canonicalize().as_ref().unwrap_or(root).display()
                ));
            }
            Self::Git { .. } => {
                "git status must work there: git says what is packed, and what it is called"
            }
            Self::NotPlain { .. } => {
                "remove it: git opens what has that name, and would wait for it"
            }
            Self::NotIncluded(_) => "build it first, or do not include it",
            Self::Missing { .. } => {
                "bring it back (git checkout -- FILE, git sparse-checkout disable), or leave it out \
                 with --exclude"
            }
            Self::NothingTracked(_) => {
                "run git add for what belongs to the release, or name it in [pack] include of \
                 release.toml"
            }
            Self::ManifestFile { .. } => "it must be a file, no link, and have 64 KiB at most",
            Self::Archive { .. } => "repack it: unpack it with tar, and run swarm pack",
            Self::Submodule(_) => {
                "if it is a submodule, run: git submodule update --init; else leave it out with \
                 --exclude"
            }
            Self::Empty(_) => "name what to pack in [pack] include of release.toml",
            Self::Changed(_) => "try again when nothing writes to it",
            Self::NotAnUpdater(_) => {
                "leave --updater-archive out to send the updater beside this program"
            }
            Self::NoUpdater(_) => "name one with --updater-archive FILE",
            _ => return None,
        };
        Some(words.to_owned())
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Cancelled(_) => Exit::Interrupted,
            Self::NotADirectory(_)
            | Self::Glob { .. }
            | Self::NotAnArchive(_)
            | Self::NotAnUpdater(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

impl PackError {
    pub(super) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::Read { path, source }
    }

    /// What is not there is no directory; what cannot be looked at is told as that.
    pub(super) fn absent(root: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = root.to_owned();
        |source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotADirectory(path),
            _ => Self::Read { path, source },
        }
    }

    pub(super) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::Write { path, source }
    }

    pub(super) fn git(root: &Path, message: String) -> Self {
        Self::Git { root: root.to_owned(), message }
    }

    pub(super) fn refused(path: &str, rule: &str) -> Self {
        Self::Refused(vec![Refusal { path: path.to_owned(), rule: rule.to_owned() }])
    }
}
