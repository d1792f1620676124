//! Packs a tree.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use protocol::{Digest, Migrates};
use serde::Serialize;

use crate::interrupt::CancelToken;
use crate::pack::PackError;
use crate::pack::archive::Archive;
use crate::pack::item::Item;
use crate::pack::left_out::{LeftOut, list};

/// What is to be packed.
#[derive(Debug, Clone)]
pub struct Packing<'a> {
    pub root: &'a Path,
    /// Globs of what is taken, though git does not track it or builds leave it lying about.
    pub include: &'a [String],
    /// Globs of what is left out, besides those in its `release.toml`.
    pub exclude: &'a [String],
    /// Where the archive goes. A name that ends in `.tar.gz` or `.tgz` makes it gzip, any other
    /// zstd. What is there is replaced.
    pub output: &'a Path,
    /// The variables of this process's environment whose names begin with `GIT_`.
    pub git_variables: &'a [OsString],
}

/// An archive, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Packed {
    pub path: PathBuf,
    pub digest: Digest,
    pub bytes: u64,
    /// How many files and links are in it; absent for an archive that another program made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// The git commit, with `-dirty` where the files are not those of the commit.
    pub label: Option<String>,
    /// What `git describe --tags --always` says of it, with `-dirty` in the same way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub describe: Option<String>,
    /// The name in its `release.toml`.
    pub name: Option<String>,
    pub version: Option<String>,
    /// What the release does to stored data, by its `release.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration: Option<Migrates>,
    /// Whether it says nothing of its start, and is more than files alone; of an archive that another program
    /// made, this is not looked at.
    #[serde(skip)]
    pub needs_command: bool,
    /// What was not packed.
    pub left_out: Vec<LeftOut>,
    /// What the operator should know.
    pub notices: Vec<String>,
}

/// Packs a tree into a file. The same tree gives the same bytes, by whom, when and where ever it is
/// packed; of a commit, what `git describe` says is a part of that, since builds read it. Cancelled, it leaves
/// no file.
pub fn pack(packing: &Packing<'_>, cancel: &CancelToken) -> Result<Packed, PackError> {
    let Packing { root, output, .. } = *packing;
    let listing = list(packing, cancel)?;
    let mut archive = Archive::create(output, listing.time, cancel)?;
    if let Some((commit, describe)) = &listing.origin {
        archive.origin(commit, describe.as_deref())?;
    }
    let mut files = 0;
    for (path, item) in &listing.items {
        match item {
            Item::File { executable, stamp } => {
                archive.file(path, &root.join(path), *executable, stamp)?;
            }
            Item::Link(target) => archive.link(path, target)?,
            Item::Directory => archive.directory(path)?,
        }
        files += u64::from(*item != Item::Directory);
    }
    let written = archive.finish()?;
    let needs_command = listing.needs_command();
    let left_out = listing.left_out.into_iter().map(|(path, why)| LeftOut { path, why });
    Ok(Packed {
        path: output.to_owned(),
        digest: written.digest,
        bytes: written.bytes,
        files: Some(files),
        label: listing.label,
        describe: listing.origin.and_then(|(_, describe)| describe),
        name: listing.manifest.name,
        version: listing.manifest.version,
        migration: listing.manifest.migrations.and_then(|section| section.migrates()),
        needs_command,
        left_out: left_out.collect(),
        notices: listing.notices,
    })
}
