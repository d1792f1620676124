//! Where the release of an update comes from.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use explain::{Exit, Explain, FailureCode, nearest};
use protocol::{Digest, Migrates, MigrationsSection, ReleaseManifest};
use store::{KnownRelease, Store, StoreError};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::home::Home;
use crate::interrupt::{BlockingError, CancelToken, Interrupt, run_blocking};
use crate::pack;
use crate::pack::{PackError, Packed, Packing};
use crate::rollout::Goal;
use crate::rollout::kept_releases::{PACKING, sweep_half_packed};
use crate::signing::{SignedFiles, SigningError};
use crate::updater_client::ReleaseArchive;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A tree, packed on the spot.
    Root {
        root: PathBuf,
        /// Globs of what is taken besides.
        include: Vec<String>,
        /// Globs of what is left out.
        exclude: Vec<String>,
    },
    /// An archive that is there.
    Archive {
        path: PathBuf,
        /// Its signed manifest, if it is not the one beside it.
        manifest: Option<PathBuf>,
    },
    /// A release that this master knows: a digest, its beginning, or `NAME@VERSION`.
    Release(String),
}

/// Why there is no release.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The archive could not be made or read.
    #[error("make the release's archive")]
    Pack(#[from] PackError),
    /// What goes with the archive cannot be sent.
    #[error("use the release's signature")]
    Signing(#[from] SigningError),
    /// The archive could not be kept.
    #[error("keep the archive in {}", .path.display())]
    Keep { path: PathBuf, source: io::Error },
    /// Packing or reading was cut short.
    #[error(transparent)]
    Blocking(#[from] BlockingError),
    /// The store does not answer.
    #[error("read what releases there are")]
    Store(#[from] StoreError),
    /// What was planned to be sent is not there any more.
    #[error("find the archive of {0}: what is there now is another release")]
    Changed(Digest),
    /// No release is called that.
    #[error("find the release {name:?}")]
    Unknown {
        name: String,
        /// One that could have been meant.
        near: Option<String>,
    },
    #[error("find the release {name:?}: it means {}", all(.digests))]
    Ambiguous { name: String, digests: Vec<Digest> },
}

impl Explain for SourceError {
    fn code(&self) -> FailureCode {
        match self {
            Self::Pack(error) => error.code(),
            Self::Signing(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Blocking(error) => error.code(),
            Self::Unknown { .. } | Self::Changed(_) => FailureCode::UnknownRelease,
            Self::Ambiguous { .. } => FailureCode::Ambiguous,
            Self::Keep { .. } => FailureCode::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Pack(error) => error.hint(),
            Self::Signing(error) => error.hint(),
            Self::Unknown { near: Some(near), .. } => {
                Some(format!("did you mean {near}? (swarm release list)"))
            }
            Self::Unknown { near: None, .. } => Some(
                "name it by its digest or as NAME@VERSION, as it was when this master packed it; \
                 those that there are: swarm release list"
                    .to_owned(),
            ),
            Self::Ambiguous { .. } => Some("name it by its digest".to_owned()),
            Self::Keep { .. } | Self::Blocking(_) | Self::Store(_) | Self::Changed(_) => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Pack(error) => error.exit(),
            Self::Signing(error) => error.exit(),
            Self::Unknown { .. } | Self::Ambiguous { .. } => Exit::Usage,
            Self::Blocking(error) => error.exit(),
            Self::Keep { .. } | Self::Store(_) | Self::Changed(_) => Exit::Failed,
        }
    }
}

/// What it takes to make archives and to find them.
#[derive(Clone, Copy)]
pub struct SourceContext<'a> {
    pub home: &'a Home,
    pub store: &'a Store,
    pub now: OffsetDateTime,
    /// The names of git's own variables in the environment of this process.
    pub git_variables: &'a [OsString],
    /// What ends the work before it is done.
    pub interrupt: &'a Interrupt,
}

/// A release that is ready to go out.
#[derive(Debug)]
pub struct Prepared {
    /// What the hosts are to come to.
    pub goal: Goal,
    /// What is known of the archive, if one was made or read.
    pub packed: Option<Packed>,
    /// Goes with this: an archive that is not kept.
    pub(super) temporary: Option<TempDir>,
}

impl Source {
    /// Makes or finds the archive, on a thread of its own: packing takes seconds, in which
    /// everything else goes on. With `keep`, a tree's archive stays in the master's home under its
    /// digest, and the release is remembered; else nothing stays. Interrupted, nothing stays either.
    pub async fn prepare(
        &self,
        context: &SourceContext<'_>,
        keep: bool,
    ) -> Result<Prepared, SourceError> {
        let SourceContext { home, store, now, interrupt, .. } = *context;
        match self {
            Self::Root { root, include, exclude } => {
                sweep_half_packed(&home.archives(), now);
                let temporary = temporary(home)?;
                let output = temporary.path().join("release.tar.zst");
                let (root, include, exclude) = (root.clone(), include.clone(), exclude.clone());
                let git_variables = context.git_variables.to_vec();
                let mut packed = beside(interrupt, move |cancel| {
                    let (root, include, exclude) = (&root, &include, &exclude);
                    let (output, git_variables) = (&output, &git_variables);
                    let packing = Packing { root, include, exclude, output, git_variables };
                    pack::pack(&packing, cancel)
                })
                .await?;
                if keep {
                    packed.path = kept(home, &packed)?;
                    remember(store, &packed, now)?;
                }
                let goal = Goal::Push(Box::new(release_archive(&packed, None)?));
                Ok(Prepared { goal, packed: Some(packed), temporary: Some(temporary) })
            }
            Self::Archive { path, manifest } => {
                let path = path.clone();
                let packed = beside(interrupt, move |cancel| named_archive(&path, cancel)).await?;
                let signed = signed(&packed, manifest.as_deref())?;
                if keep {
                    remember(store, &packed, now)?;
                }
                let goal = Goal::Push(Box::new(release_archive(&packed, signed)?));
                Ok(Prepared { goal, packed: Some(packed), temporary: None })
            }
            Self::Release(name) => {
                let release = find(store, name)?;
                let goal = match from_home(home, &release)? {
                    Goal::Push(archive) => {
                        let path = archive.path.clone();
                        let look = move |cancel: &CancelToken| pack::needs_command(&path, cancel);
                        let needs_command = beside(interrupt, look).await?;
                        Goal::Push(Box::new(ReleaseArchive { needs_command, ..*archive }))
                    }
                    goal => goal,
                };
                Ok(Prepared { goal, packed: None, temporary: None })
            }
        }
    }
}

impl Prepared {
    /// What the release does to stored data, by what it says itself. Looks into an archive that was
    /// not made just now; of a release whose archive is not here, nothing is known.
    pub async fn migration(&self, interrupt: &Interrupt) -> Result<Option<Migrates>, SourceError> {
        match (&self.packed, &self.goal) {
            (Some(Packed { files: Some(_), migration, .. }), _) => Ok(*migration),
            (_, Goal::Push(archive)) => {
                let path = archive.path.clone();
                let read = move |cancel: &CancelToken| pack::manifest_in(&path, cancel);
                let manifest = beside(interrupt, read).await?;
                Ok(manifest.migrations.as_ref().and_then(MigrationsSection::migrates))
            }
            _ => Ok(None),
        }
    }
}

/// The updater's own archive: the one that was named, or the updater beside this program.
pub async fn own_archive(
    context: &SourceContext<'_>,
    named: Option<&Path>,
) -> Result<(ReleaseArchive, Option<TempDir>), SourceError> {
    let SourceContext { home, interrupt, .. } = *context;
    if let Some(path) = named.map(Path::to_owned) {
        let look = move |cancel: &CancelToken| {
            let packed = pack::inspect(&path, cancel)?;
            pack::check_updater(&path, cancel)?;
            Ok(packed)
        };
        let packed = beside(interrupt, look).await?;
        let signed = signed(&packed, None)?;
        return Ok((release_archive(&packed, signed)?, None));
    }
    let temporary = temporary(home)?;
    let output = temporary.path().join("updater.tar.zst");
    let updater = pack::beside_this_program()?;
    let work = move |cancel: &CancelToken| pack::pack_updater(&updater, &output, cancel);
    let packed = beside(interrupt, work).await?;
    Ok((release_archive(&packed, None)?, Some(temporary)))
}

/// A digest, whole or by its beginning, or `NAME@VERSION`.
pub fn resolve(store: &Store, name: &str) -> Result<Digest, SourceError> {
    match name.parse() {
        Ok(digest) => Ok(digest),
        Err(_) => find(store, name).map(|release| release.digest),
    }
}

/// An archive with what the release in it calls itself. What cannot be read of that, the hosts say when
/// they get it.
fn named_archive(path: &Path, cancel: &CancelToken) -> Result<Packed, PackError> {
    let packed = pack::inspect(path, cancel)?;
    let manifest = pack::manifest_in(path, cancel);
    cancel.check()?;
    let ReleaseManifest { name, version, .. } = manifest.unwrap_or_default();
    let needs_command = pack::needs_command(path, cancel)?;
    Ok(Packed { name, version, needs_command, ..packed })
}

/// Runs what blocks beside the event loop.
async fn beside<T: Send + 'static>(
    interrupt: &Interrupt,
    work: impl FnOnce(&CancelToken) -> Result<T, PackError> + Send + 'static,
) -> Result<T, SourceError> {
    Ok(run_blocking(interrupt, work).await??)
}

fn find(store: &Store, name: &str) -> Result<KnownRelease, SourceError> {
    let fits = |release: &KnownRelease| match name.rsplit_once('@') {
        Some((name, version)) => {
            release.name.as_deref() == Some(name) && release.version.as_deref() == Some(version)
        }
        None => release.digest.begins_with(name),
    };
    let releases = store.releases()?;
    let near = near(name, &releases);
    let mut found: Vec<_> = releases.into_iter().filter(fits).collect();
    match found.len() {
        0 => Err(SourceError::Unknown { name: name.to_owned(), near }),
        1 => Ok(found.remove(0)),
        _ => Err(SourceError::Ambiguous {
            name: name.to_owned(),
            digests: found.iter().map(|release| release.digest).collect(),
        }),
    }
}

/// The newest release of which only the version or only the name was written, or else the nearest word.
fn near(written: &str, releases: &[KnownRelease]) -> Option<String> {
    let called = |release: &KnownRelease| {
        let (name, version) = (release.name.clone()?, release.version.clone()?);
        Some((format!("{name}@{version}"), name, version))
    };
    let called: Vec<_> = releases.iter().filter_map(called).collect();
    let half = called.iter().find(|(_, name, version)| version == written || name == written);
    half.map(|(whole, ..)| whole.clone())
        .or_else(|| nearest(written, called.iter().map(|(whole, ..)| whole.as_str())))
}

fn all(digests: &[Digest]) -> String {
    let digests: Vec<_> = digests.iter().map(ToString::to_string).collect();
    digests.join(" and ")
}

/// A release whose archive is not here can still be activated where it is.
fn from_home(home: &Home, release: &KnownRelease) -> Result<Goal, SourceError> {
    let path = home.archive(&release.digest);
    let there =
        path.try_exists().map_err(|source| SourceError::Keep { path: path.clone(), source });
    if !there? {
        return Ok(Goal::Activate(release.digest));
    }
    let gzip = pack::is_gzip(&path)?;
    let (bytes, digest, label) = (release.size, release.digest, release.sha.clone());
    let signed = SignedFiles::of_archive(&path, None, &digest, bytes)?;
    let needs_command = false;
    let archive = ReleaseArchive { path, bytes, digest, label, gzip, needs_command, signed };
    Ok(Goal::Push(Box::new(archive)))
}

fn signed(packed: &Packed, named: Option<&Path>) -> Result<Option<SignedFiles>, SigningError> {
    SignedFiles::of_archive(&packed.path, named, &packed.digest, packed.bytes)
}

fn release_archive(
    packed: &Packed,
    signed: Option<SignedFiles>,
) -> Result<ReleaseArchive, PackError> {
    Ok(ReleaseArchive {
        gzip: pack::is_gzip(&packed.path)?,
        path: packed.path.clone(),
        bytes: packed.bytes,
        digest: packed.digest,
        label: packed.label.clone(),
        needs_command: packed.needs_command,
        signed,
    })
}

fn temporary(home: &Home) -> Result<TempDir, SourceError> {
    let archives = home.archives();
    let failed = |source| SourceError::Keep { path: archives.clone(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(&archives).map_err(failed)?;
    tempfile::Builder::new().prefix(PACKING).tempdir_in(&archives).map_err(failed)
}

fn kept(home: &Home, packed: &Packed) -> Result<PathBuf, SourceError> {
    let path = home.archive(&packed.digest);
    let failed = |source| SourceError::Keep { path: path.clone(), source };
    std::fs::rename(&packed.path, &path).map_err(failed)?;
    File::open(home.archives()).and_then(|directory| directory.sync_all()).map_err(failed)?;
    Ok(path)
}

fn remember(store: &Store, packed: &Packed, now: OffsetDateTime) -> Result<(), StoreError> {
    store.add_release(&KnownRelease {
        digest: packed.digest,
        name: packed.name.clone(),
        version: packed.version.clone(),
        sha: packed.label.clone(),
        size: packed.bytes,
        packed_at: now,
    })
}
