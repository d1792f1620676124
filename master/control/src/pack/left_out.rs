//! Decides what is packed and what is left out.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use protocol::{PackSection, ReleaseManifest};
use serde::{Deserialize, Serialize};

use crate::interrupt::CancelToken;
use crate::pack::clutter::clutter_part;
use crate::pack::git::{Tracked, WorkTree};
use crate::pack::globs::Globs;
use crate::pack::head::head;
use crate::pack::item::Item;
use crate::pack::secret_content::is_secret;
use crate::pack::secrets::{self, Named};
use crate::pack::walk::walk;
use crate::pack::{PackError, Packing, Refusal, git, manifest, names, unguessed};

/// The file by which Python knows a virtualenv.
const VIRTUALENV: &str = "pyvenv.cfg";

/// How a file begins that Git LFS keeps elsewhere.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

const FILES_ALONE: &str = "it does not say how it is started, and nothing in it can be executed: hosts that \
    have no command of their own for it take it for files alone; `run = []` in its release.toml says so";

/// Something that was not packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its path in the tree; a directory ends in `/`.
    pub path: String,
    pub why: Why,
}

/// Why something was not packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It is, or looks like, a private key, a password, an environment or a database.
    Secret,
    /// A glob says so.
    Excluded,
    /// Git does not track it.
    Untracked,
    /// It is what builds and package managers leave lying about, in a tree that is not git's.
    Clutter,
    /// It is the archive that is being made.
    Output,
}

impl Why {
    pub const fn words(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Excluded => "excluded",
            Self::Untracked => "not tracked by git",
            Self::Clutter => "not a part of a release",
            Self::Output => "the archive itself",
        }
    }
}

/// All that an archive is made of, sorted by the bytes of its paths.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) items: BTreeMap<String, Item>,
    pub(super) left_out: BTreeMap<String, Why>,
    /// What git tracks and the disk does not have.
    missing: Vec<String>,
    /// What no host takes.
    refused: Vec<Refusal>,
    pub(super) notices: Vec<String>,
    pub(super) label: Option<String>,
    /// The commit, and what `git describe` says of what is packed.
    pub(super) origin: Option<(String, Option<String>)>,
    pub(super) time: u64,
    pub(super) manifest: ReleaseManifest,
}

/// Lists what is to be packed of a tree.
pub(super) fn list(packing: &Packing<'_>, cancel: &CancelToken) -> Result<Listing, PackError> {
    let Packing { root, exclude, output, git_variables, .. } = *packing;
    if !root.metadata().map_err(PackError::absent(root))?.is_dir() {
        return Err(PackError::NotADirectory(root.to_owned()));
    }
    let manifest::OfTree { manifest, file, others } = manifest::of_tree(root)?;
    let PackSection { include, exclude: also } = manifest.pack.clone().unwrap_or_default();
    let (include, taken) = (Globs::anchored(&include)?, Globs::floating(packing.include)?);
    let exclude = Globs::floating(also.iter().chain(exclude))?;
    let git = git::look(root, git_variables, cancel)?;
    let output = within(root, output);
    let (include, taken) = (&include, &taken);
    let rules = Rules { root, file, include, taken, exclude: &exclude, output, cancel };
    let mut listing = Listing::default();
    if !others.is_empty() {
        listing.notices.push(format!(
            "release.toml is left alone: it has keys of another tool ({}) and none of swarm's, which may stand \
             in swarm-release.toml",
            others.join(", ")
        ));
    }
    match &git {
        Some(tree) if include.is_empty() => rules.tracked(&mut listing, tree)?,
        Some(_) => rules.walked(&mut listing)?,
        None => {
            if manifest.pack.is_none() {
                listing.notices.push(rules.everything());
            }
            rules.walked(&mut listing)?;
        }
    }
    if let [first, others @ ..] = listing.missing.as_slice() {
        return Err(PackError::Missing { path: first.clone(), more: others.len() });
    }
    listing.time = git.as_ref().and_then(|git| git.commit.as_ref()).map_or(0, |commit| commit.time);
    let file = file.filter(|file| listing.items.contains_key(*file));
    listing.label = git.as_ref().and_then(|tree| label(tree, file));
    listing.origin = git.and_then(|tree| origin(tree, listing.label.as_deref()));
    if file.is_some() {
        listing.manifest = manifest;
    }
    listing.take_identity(root);
    if let Some(glob) = include.unused().chain(taken.unused()).next() {
        return Err(PackError::NotIncluded(glob.to_owned()));
    }
    let unused = exclude.unused().map(|glob| format!("the exclude {glob:?} matches nothing"));
    listing.notices.extend(unused);
    if listing.manifest.says_nothing_of_its_start() && listing.is_files_alone() {
        listing.notices.push(FILES_ALONE.to_owned());
    }
    let unguessed = unguessed::notice(root, &listing.items, listing.manifest.build.as_ref())?;
    listing.notices.extend(unguessed);
    check(root, &listing, cancel)?;
    Ok(listing)
}

/// The commit's name; `-dirty` if what is packed is not what the commit says.
fn label(tree: &WorkTree, manifest: Option<&str>) -> Option<String> {
    let added = manifest.is_some_and(|file| !tree.tracked.contains_key(file));
    let dirty = if tree.dirty || added { "-dirty" } else { "" };
    tree.commit.as_ref().map(|commit| format!("{}{dirty}", commit.name))
}

fn origin(tree: WorkTree, label: Option<&str>) -> Option<(String, Option<String>)> {
    let commit = tree.commit?;
    let is_dirty = label.is_some_and(|label| label.ends_with("-dirty"));
    let dirty = if is_dirty { "-dirty" } else { "" };
    let describe = commit.describe.map(|describe| format!("{describe}{dirty}"));
    Some((commit.name, describe))
}

/// Where the archive lies in the tree, if it does. It need not be there yet.
fn within(root: &Path, output: &Path) -> Option<String> {
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new(".")).canonicalize().ok()?;
    let place = parent.join(output.file_name()?);
    let path = place.strip_prefix(root.canonicalize().ok()?).ok()?;
    path.to_str().map(str::to_owned)
}

fn check(root: &Path, listing: &Listing, cancel: &CancelToken) -> Result<(), PackError> {
    if listing.refused.is_empty() && !listing.items.values().any(|item| *item != Item::Directory) {
        return Err(PackError::Empty(root.to_owned()));
    }
    names::check(&listing.items, listing.refused.clone(), cancel)
}

impl Listing {
    /// Where the release does not say its name or version, its project does, if that is packed.
    fn take_identity(&mut self, root: &Path) {
        let ReleaseManifest { name, version, .. } = &self.manifest;
        if name.is_some() && version.is_some() {
            return;
        }
        let packed = |file: &str| matches!(self.items.get(file), Some(Item::File { .. }));
        let identity = archive::identity_of_tree(root, packed);
        self.manifest.name = self.manifest.name.take().or(identity.name);
        self.manifest.version = self.manifest.version.take().or(identity.version);
        let lacks = self.manifest.name.is_none() || self.manifest.version.is_none();
        self.notices.extend(identity.fault.filter(|_| lacks));
    }

    /// Whether it neither says how the release is started, nor is files alone.
    pub(super) fn needs_command(&self) -> bool {
        self.manifest.says_nothing_of_its_start() && !self.is_files_alone()
    }

    fn is_files_alone(&self) -> bool {
        let executable = |item: &Item| matches!(item, Item::File { executable: true, .. });
        let executables = self.items.values().any(executable);
        self.manifest.is_files_alone(executables, |name| self.items.contains_key(name))
    }

    /// Whether something of it is packed: a file, or one below a directory, whose path ends in `/`.
    fn has(&self, path: &str) -> bool {
        self.items.contains_key(path)
            || (path.ends_with('/')
                && self
                    .items
                    .range(path.to_owned()..)
                    .next()
                    .is_some_and(|it| it.0.starts_with(path)))
    }
}

struct Rules<'a> {
    root: &'a Path,
    /// The file in which the release says what it is, if there is one.
    file: Option<&'static str>,
    /// What is packed instead of what git tracks.
    include: &'a Globs,
    /// What is packed besides, though it would be left out.
    taken: &'a Globs,
    exclude: &'a Globs,
    output: Option<String>,
    cancel: &'a CancelToken,
}

impl Rules<'_> {
    /// What git tracks, and the file by which it was packed.
    fn tracked(&self, listing: &mut Listing, tree: &WorkTree) -> Result<(), PackError> {
        if tree.tracked.is_empty() && self.taken.is_empty() {
            return Err(PackError::NothingTracked(self.root.to_owned()));
        }
        for (path, tracked) in &tree.tracked {
            self.consider(listing, path, Some(tracked))?;
        }
        // Also where git ignores it, which each user can tell it to.
        if let Some(file) = self.file.filter(|file| !tree.tracked.contains_key(*file)) {
            self.consider(listing, file, None)?;
        }
        if !self.taken.is_empty() {
            let untracked = walk(self.root, self.cancel, |path| {
                self.exclude.matches(path) || (is_of_git(path) && !self.taken.matches(path))
            })?;
            // One that names what git tracks matches that, too.
            let taken = untracked
                .iter()
                .filter(|found| !found.empty_directory && self.taken.matches(&found.path));
            for found in taken.filter(|found| !tree.tracked.contains_key(&found.path)) {
                self.consider(listing, &found.path, None)?;
            }
        }
        for path in &tree.untracked {
            if !self.is_output(path)
                && !self.exclude.matches(path.trim_end_matches('/'))
                && !listing.has(path)
            {
                listing.left_out.entry(path.clone()).or_insert(Why::Untracked);
            }
        }
        Ok(())
    }

    fn everything(&self) -> String {
        format!(
            "{} is no git work tree and its release.toml has no [pack]: everything in it is packed, \
             except what looks like a secret and what builds leave behind",
            self.root.display()
        )
    }

    /// What `include` names, or everything.
    fn walked(&self, listing: &mut Listing) -> Result<(), PackError> {
        let all = self.include.is_empty();
        let mut pruned = Vec::new();
        let found = walk(self.root, self.cancel, |path| {
            let why = if self.exclude.matches(path) {
                Why::Excluded
            } else if !all && is_of_git(path) {
                return !self.taken.matches(path);
            } else if all && self.taken.is_empty() && self.is_clutter(path) {
                Why::Clutter
            } else {
                return false;
            };
            pruned.push((format!("{path}/"), why));
            true
        })?;
        listing.left_out.extend(pruned);
        for found in found {
            let path = &found.path;
            let (included, taken) = (self.include.matches(path), self.taken.matches(path));
            let named = taken || (included && !is_of_git(path));
            if !(all || named || self.file == Some(path)) {
                continue;
            }
            if let Some(part) = clutter_part(path).filter(|_| all && !named) {
                let end = if part == path { "" } else { "/" };
                listing.left_out.insert(format!("{part}{end}"), Why::Clutter);
            } else if found.empty_directory {
                listing.items.insert(found.path, Item::Directory);
            } else {
                self.consider(listing, path, None)?;
            }
        }
        Ok(())
    }

    fn consider(
        &self,
        listing: &mut Listing,
        path: &str,
        tracked: Option<&Tracked>,
    ) -> Result<(), PackError> {
        self.cancel.check()?;
        let mut leave_out = |left: String, why| {
            if why == Why::Secret && self.taken.names(path) {
                listing.notices.push(format!(
                    "{path} is a secret, which --include does not take: [pack] include of release.toml does, if it \
                     names it letter by letter"
                ));
            }
            listing.left_out.insert(left, why);
        };
        if self.exclude.matches(path) {
            leave_out(path.to_owned(), Why::Excluded);
            return Ok(());
        }
        if self.is_output(path) {
            leave_out(path.to_owned(), Why::Output);
            return Ok(());
        }
        let named = self.include.names(path);
        let says = secrets::named(path);
        if let (Named::Secret(part), false) = (says, named) {
            let end = if part == path { "" } else { "/" };
            leave_out(format!("{part}{end}"), Why::Secret);
            return Ok(());
        }
        let place = self.root.join(path);
        let metadata = match place.symlink_metadata() {
            Ok(metadata) if tracked.is_none() || !self.is_below_a_link(path)? => metadata,
            Ok(_) => {
                listing.missing.push(path.to_owned());
                return Ok(());
            }
            Err(error) if tracked.is_some() && is_missing(&error) => {
                listing.missing.push(path.to_owned());
                return Ok(());
            }
            Err(source) => return Err(PackError::Read { path: place, source }),
        };
        let item = match Item::at(&place, path, &metadata, tracked) {
            Err(PackError::Refused(refused)) => {
                listing.refused.extend(refused);
                return Ok(());
            }
            item => item?,
        };
        if matches!(item, Item::File { .. }) {
            let head = head(&place).map_err(PackError::read(&place))?;
            let secret = matches!(says, Named::Secret(_))
                || is_secret(says, &place, &head).map_err(PackError::read(&place))?;
            if secret && !named {
                leave_out(path.to_owned(), Why::Secret);
                return Ok(());
            }
            if secret {
                listing.notices.push(format!(
                    "{path} is packed although it looks like a secret: [pack] include names it"
                ));
            }
            if head.starts_with(LFS_POINTER) {
                listing.notices.push(format!(
                    "{path} is a Git LFS pointer, and not what it points to: run git lfs pull"
                ));
            }
        }
        listing.items.insert(path.to_owned(), item);
        Ok(())
    }

    /// Whether a directory is what builds leave lying about; a virtualenv is, whatever it is called.
    fn is_clutter(&self, path: &str) -> bool {
        clutter_part(path).is_some() || self.root.join(path).join(VIRTUALENV).is_file()
    }

    fn is_output(&self, path: &str) -> bool {
        self.output.as_deref() == Some(path)
    }

    /// Git's list is of the index. On the disk a directory of it may have become a link, through
    /// which another tree's files would be packed.
    fn is_below_a_link(&self, path: &str) -> Result<bool, PackError> {
        for (end, _) in path.match_indices('/') {
            let above = self.root.join(&path[..end]);
            if above.symlink_metadata().map_err(PackError::read(&above))?.is_symlink() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether it is `.git`, or in it.
fn is_of_git(path: &str) -> bool {
    path.split('/').any(|part| part == ".git")
}

fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}
