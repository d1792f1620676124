//! Decides what is packed and what is left out.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use protocol::{PackSection, ReleaseManifest};
use serde::Serialize;

use crate::pack::git::WorkTree;
use crate::pack::globs::Globs;
use crate::pack::item::{Item, Stamp};
use crate::pack::secrets::{looks_secret, secret_part};
use crate::pack::walk::walk;
use crate::pack::{PackError, git, names};

/// What is read of a file to see what it is.
const HEAD: usize = 64;
/// How a file begins that Git LFS keeps elsewhere.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Something that was not packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its path in the tree; a directory ends in `/`.
    pub path: String,
    pub why: Why,
}

/// Why something was not packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It is, or looks like, a key, a certificate, an environment or a database.
    Secret,
    /// A glob says so.
    Excluded,
    /// Git does not track it.
    Untracked,
    /// Git tracks it, and it is not there.
    Missing,
    /// It is the archive that is being made.
    Output,
}

impl Why {
    pub const fn words(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Excluded => "excluded",
            Self::Untracked => "not tracked by git",
            Self::Missing => "tracked by git, but not there",
            Self::Output => "the archive itself",
        }
    }
}

/// All that an archive is made of, sorted by the bytes of its paths.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) items: BTreeMap<String, Item>,
    pub(super) left_out: BTreeMap<String, Why>,
    pub(super) notices: Vec<String>,
    pub(super) label: Option<String>,
    pub(super) time: u64,
    pub(super) manifest: ReleaseManifest,
}

/// Lists a tree. `output` is where the archive will be.
pub(super) fn list(root: &Path, exclude: &[String], output: &Path) -> Result<Listing, PackError> {
    if !root.is_dir() {
        return Err(PackError::NotADirectory(root.to_owned()));
    }
    let manifest = manifest(root)?;
    let PackSection { include, exclude: also } = manifest.pack.clone().unwrap_or_default();
    let include = Globs::anchored(&include)?;
    let exclude = Globs::floating(also.iter().chain(exclude))?;
    let git = git::look(root)?;
    let output = within(root, output);
    let rules = Rules { root, include: &include, exclude: &exclude, output };
    let mut listing = Listing::default();
    match &git {
        Some(tree) if include.is_empty() => rules.tracked(&mut listing, tree)?,
        _ => rules.walked(&mut listing, manifest.pack.is_none())?,
    }
    listing.time = git.as_ref().and_then(|git| git.commit.as_ref()).map_or(0, |commit| commit.time);
    listing.label = git.as_ref().and_then(|tree| label(tree, &listing));
    if listing.items.contains_key(ReleaseManifest::FILE) {
        listing.manifest = manifest;
    }
    if let Some(glob) = include.unused().next() {
        return Err(PackError::NotIncluded(glob.to_owned()));
    }
    let unused = exclude.unused().map(|glob| format!("the exclude {glob:?} matches nothing"));
    listing.notices.extend(unused);
    check(root, &listing)?;
    Ok(listing)
}

/// The commit's name; `-dirty` if what is packed is not what the commit says.
fn label(tree: &WorkTree, listing: &Listing) -> Option<String> {
    let file = ReleaseManifest::FILE;
    let added = listing.items.contains_key(file) && !tree.tracked.contains(file);
    let missing = listing.left_out.values().any(|why| *why == Why::Missing);
    let dirty = if tree.dirty || added || missing { "-dirty" } else { "" };
    tree.commit.as_ref().map(|commit| format!("{}{dirty}", commit.name))
}

fn manifest(root: &Path) -> Result<ReleaseManifest, PackError> {
    let path = root.join(ReleaseManifest::FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            ReleaseManifest::parse(&text).map_err(|source| PackError::Manifest { path, source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(ReleaseManifest::default()),
        Err(source) => Err(PackError::Read { path, source }),
    }
}

/// Where the archive lies in the tree, if it does. It need not be there yet.
fn within(root: &Path, output: &Path) -> Option<String> {
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new(".")).canonicalize().ok()?;
    let place = parent.join(output.file_name()?);
    let path = place.strip_prefix(root.canonicalize().ok()?).ok()?;
    path.to_str().map(str::to_owned)
}

fn check(root: &Path, listing: &Listing) -> Result<(), PackError> {
    if !listing.items.values().any(|item| *item != Item::Directory) {
        return Err(PackError::Empty(root.to_owned()));
    }
    names::check(&listing.items)
}

struct Rules<'a> {
    root: &'a Path,
    include: &'a Globs,
    exclude: &'a Globs,
    output: Option<String>,
}

impl Rules<'_> {
    /// What git tracks, and `release.toml`, by which it was packed.
    fn tracked(&self, listing: &mut Listing, tree: &WorkTree) -> Result<(), PackError> {
        for path in &tree.tracked {
            self.consider(listing, path, true)?;
        }
        let manifest = ReleaseManifest::FILE;
        // Also where git ignores it, which each user can tell it to.
        if !tree.tracked.contains(manifest) && self.root.join(manifest).exists() {
            self.consider(listing, manifest, false)?;
        }
        for path in &tree.untracked {
            if path != manifest
                && !self.is_output(path)
                && !self.exclude.matches(path.trim_end_matches('/'))
            {
                listing.left_out.insert(path.clone(), Why::Untracked);
            }
        }
        Ok(())
    }

    /// What `include` names, or everything.
    fn walked(&self, listing: &mut Listing, unasked: bool) -> Result<(), PackError> {
        let all = self.include.is_empty();
        if all && unasked {
            listing.notices.push(format!(
                "{} is no git work tree and its release.toml has no [pack]: everything in it is \
                 packed but what looks like a secret",
                self.root.display()
            ));
        }
        let mut pruned = Vec::new();
        let found = walk(self.root, |path| {
            let prune = self.exclude.matches(path);
            if prune {
                pruned.push(format!("{path}/"));
            }
            prune
        })?;
        listing.left_out.extend(pruned.into_iter().map(|path| (path, Why::Excluded)));
        for found in found {
            if !(all || self.include.matches(&found.path) || found.path == ReleaseManifest::FILE) {
                continue;
            }
            if found.empty_directory {
                listing.items.insert(found.path, Item::Directory);
            } else {
                self.consider(listing, &found.path, false)?;
            }
        }
        Ok(())
    }

    fn consider(&self, listing: &mut Listing, path: &str, tracked: bool) -> Result<(), PackError> {
        let mut leave_out = |path: String, why| {
            listing.left_out.insert(path, why);
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
        if let Some(part) = secret_part(path).filter(|_| !named) {
            let end = if part == path { "" } else { "/" };
            leave_out(format!("{part}{end}"), Why::Secret);
            return Ok(());
        }
        let place = self.root.join(path);
        let metadata = match place.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if tracked && is_missing(&error) => {
                leave_out(path.to_owned(), Why::Missing);
                return Ok(());
            }
            Err(source) => return Err(PackError::Read { path: place, source }),
        };
        if tracked && self.is_below_a_link(path)? {
            leave_out(path.to_owned(), Why::Missing);
            return Ok(());
        }
        let item = item(&place, path, &metadata)?;
        if matches!(item, Item::File { .. }) && !named {
            let head = head(&place).map_err(PackError::read(&place))?;
            if looks_secret(&head) {
                leave_out(path.to_owned(), Why::Secret);
                return Ok(());
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

/// The first bytes of a file, or all of it.
fn head(place: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    File::open(place)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

fn item(place: &Path, path: &str, metadata: &Metadata) -> Result<Item, PackError> {
    let kind = metadata.file_type();
    if kind.is_file() {
        let executable = metadata.mode() & 0o100 != 0;
        return Ok(Item::File { executable, stamp: Stamp::of(metadata) });
    }
    if kind.is_symlink() {
        let target = std::fs::read_link(place).map_err(PackError::read(place))?;
        let target = target.to_str().map(str::to_owned);
        return target
            .map(Item::Link)
            .ok_or_else(|| PackError::refused(path, "the link's target is not UTF-8"));
    }
    if kind.is_dir() {
        return Err(PackError::Submodule(path.to_owned()));
    }
    Err(PackError::refused(path, "it is neither a file, a directory nor a link"))
}
