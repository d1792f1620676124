//! Writing an archive's members into an empty directory.
//!
//! Every name is reached from the directory's own handle, and never through a symbolic link; what
//! was made before is remembered, so that no member replaces another. Owners, times and all but
//! the executable bits of modes are the updater's, not the archive's.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use protocol::{EntryName, LinkTarget, PathRule, RELEASE_RECORD, ReleasePath, normalised};
use sha2::{Digest as _, Sha256};
use sys::{fs, printable_name};

use crate::blocks::Blocks;
use crate::error::{ReadEnd, UnpackError};
use crate::members::{Content, Member};
use crate::rule::Rule;

/// From this size on it is worth a call to let the disk begin with a file at once.
const EARLY_BYTES: u64 = 32 << 10;

/// The mode of directories and of files that someone may execute.
pub const EXECUTABLE: u32 = 0o755;
/// The mode of other files.
pub const PLAIN: u32 = 0o644;

/// The directory that an archive is unpacked into.
pub(super) struct Staging {
    root: OwnedFd,
    /// What was made, by the hash of its name: the names themselves could fill the memory.
    made: HashMap<[u8; 16], Made>,
    /// The directory that was written to last, since members come directory by directory.
    last: Option<(String, OwnedFd)>,
    /// Names that no member may have, in their normal form.
    reserved: Vec<String>,
    /// How many there may be in `made`.
    limit: u64,
    /// How many parts a path may have.
    parts: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Directory,
    File,
    Link,
}

#[derive(Clone, Copy)]
struct Made {
    what: What,
    /// Tells names that share their normal form apart; zero for a name in normal form.
    spelling: u64,
}

impl Staging {
    /// Opens `directory`, which exists and is empty. Nothing in it will be named as one of
    /// `reserved`, or lie below it, and there will be at most `limit` files, links and directories
    /// in it, those among them that have no entry of their own, of at most `parts` parts each.
    pub(super) fn open(
        directory: &Path,
        reserved: &[String],
        limit: u64,
        parts: usize,
    ) -> Result<Self, UnpackError> {
        let what = || format!("open {}", directory.display());
        let root = fs::open_directory(directory).map_err(|error| UnpackError::io(what(), error))?;
        let reserved = [RELEASE_RECORD.to_owned()]
            .iter()
            .chain(reserved)
            .map(|name| normalised(name.trim_end_matches('/')))
            .collect();
        Ok(Self { root, made: HashMap::new(), last: None, reserved, limit, parts })
    }

    /// How many files, links and directories it has.
    pub(super) fn made(&self) -> u64 {
        self.made.len() as u64
    }

    /// Writes one member, with its content from `blocks`. False if it was the root, for which
    /// there is nothing to do.
    pub(super) fn write(&mut self, member: &Member, blocks: &mut Blocks) -> Result<bool, ReadEnd> {
        let (path, slash) = match (EntryName::parse(&member.name)?, &member.content) {
            (EntryName::Root, Content::Directory) => return Ok(false),
            (EntryName::Root, _) => return Err(Rule::KindChanged.into()),
            (EntryName::Inside { path, slash }, _) => (path, slash),
        };
        if slash && member.content != Content::Directory {
            return Err(PathRule::TrailingSlash.into());
        }
        self.check_depth(path.as_str())?;
        self.check_reserved(&path, member.content == Content::Directory)?;
        match &member.content {
            Content::Directory => self.directory(path.as_str())?,
            Content::Symlink(target) => self.symlink(&path, target)?,
            Content::Hardlink(target) => self.hardlink(&path, target, blocks)?,
            Content::File { size, executable } => {
                blocks.expect(*size)?;
                let mut file = self.create(&path, *executable)?;
                blocks.content(*size, |bytes| {
                    file.write_all(bytes).map_err(|error| failed("write", path.as_str(), error))
                })?;
                if *size >= EARLY_BYTES {
                    fs::start_writeback(&file);
                }
            }
        }
        Ok(true)
    }

    fn check_depth(&self, path: &str) -> Result<(), ReadEnd> {
        let parts = path.split('/').filter(|part| !matches!(*part, "" | "." | ".."));
        if parts.count() > self.parts { Err(PathRule::TooDeep.into()) } else { Ok(()) }
    }

    fn check_reserved(&self, path: &ReleasePath, is_directory: bool) -> Result<(), ReadEnd> {
        let key = path.key();
        let below = |longer: &str, shorter: &str| {
            longer.strip_prefix(shorter).is_some_and(|rest| rest.starts_with('/'))
        };
        let taken = |name: &String| {
            key == *name || below(&key, name) || (!is_directory && below(name, &key))
        };
        if self.reserved.iter().any(taken) { Err(Rule::Reserved.into()) } else { Ok(()) }
    }

    fn create(&mut self, path: &ReleasePath, executable: bool) -> Result<File, ReadEnd> {
        let (parent, name) = path.split();
        self.open_parent(parent)?;
        self.claim(path.as_str(), What::File)?;
        let mode = if executable { EXECUTABLE } else { PLAIN };
        fs::create_file_at(self.directory_of(parent)?, name, mode)
            .map_err(|error| failed("create", path.as_str(), error))
    }

    fn symlink(&mut self, path: &ReleasePath, target: &[u8]) -> Result<(), ReadEnd> {
        let target = LinkTarget::parse(target, path)?;
        self.check_depth(target.as_str())?;
        let (parent, name) = path.split();
        self.open_parent(parent)?;
        self.claim(path.as_str(), What::Link)?;
        rustix::fs::symlinkat(target.as_str(), self.directory_of(parent)?, name)
            .map_err(|error| failed("link", path.as_str(), error.into()))
    }

    /// Copies an earlier file or symlink: two names of one inode would make a change of one a change of both.
    fn hardlink(
        &mut self,
        path: &ReleasePath,
        target: &[u8],
        blocks: &mut Blocks,
    ) -> Result<(), ReadEnd> {
        let EntryName::Inside { path: target, slash: false } = EntryName::parse(target)? else {
            return Err(Rule::HardlinkTarget.into());
        };
        let made = self.made.get(&key(target.as_str()));
        match made.filter(|made| made.spelling == spelling(&target)).map(|made| made.what) {
            Some(What::File) => {}
            // Another name of a link is a link with the same target.
            Some(What::Link) => {
                let (parent, name) = target.split();
                let parent = self.directory_of(parent)?;
                let same = rustix::fs::readlinkat(parent, name, Vec::new())
                    .map_err(|error| failed("read", target.as_str(), error.into()))?;
                return self.symlink(path, same.as_bytes());
            }
            Some(What::Directory) | None => {
                return Err(ReadEnd::rule(Rule::HardlinkTarget, &format!("it is to {target}")));
            }
        }
        let fail = |error| failed("copy", target.as_str(), error);
        let mut source = fs::open_file_at(&self.root, target.as_str()).map_err(fail)?;
        let status = fs::status(&source).map_err(fail)?;
        blocks.charge(status.size)?;
        let mut copy = self.create(path, status.mode & 0o111 != 0)?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let number = source.read(&mut buffer).map_err(fail)?;
            if number == 0 {
                return Ok(());
            }
            copy.write_all(&buffer[..number])
                .map_err(|error| failed("write", path.as_str(), error))?;
        }
    }

    /// Makes a directory, and those above it. One that is there is fine.
    fn directory(&mut self, path: &str) -> Result<(), ReadEnd> {
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            let path = &path[..end];
            if self.claim(path, What::Directory)? {
                let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
                let made = fs::create_directory_at(self.directory_of(parent)?, name, EXECUTABLE)
                    .map_err(|error| failed("create", path, error))?;
                self.last = Some((path.to_owned(), made));
            }
        }
        Ok(())
    }

    fn open_parent(&mut self, path: &str) -> Result<(), ReadEnd> {
        if path.is_empty() || self.last.as_ref().is_some_and(|(last, _)| last == path) {
            return Ok(());
        }
        self.directory(path)
    }

    /// The handle of a directory that was made.
    fn directory_of(&mut self, path: &str) -> Result<&OwnedFd, ReadEnd> {
        if path.is_empty() {
            return Ok(&self.root);
        }
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            let opened = fs::open_directory_at(&self.root, path)
                .map_err(|error| failed("open", path, error))?;
            self.last = Some((path.to_owned(), opened));
        }
        Ok(self.last.as_ref().map_or(&self.root, |(_, handle)| handle))
    }

    /// Takes a name; false if it is that of a directory that is there and is wanted again.
    fn claim(&mut self, path: &str, what: What) -> Result<bool, ReadEnd> {
        let spelling = spelling_of(path);
        let Some(before) = self.made.get(&key(path)) else {
            if self.made() >= self.limit {
                return Err(Rule::Entries.into());
            }
            self.made.insert(key(path), Made { what, spelling });
            return Ok(true);
        };
        let rule = match (before.what, what) {
            _ if before.spelling != spelling => Rule::Normalisation,
            (What::Directory, What::Directory) => return Ok(false),
            (What::Link, What::Directory) => Rule::ThroughLink,
            (What::File, What::Directory) => Rule::BelowFile,
            (before, what) if before == what => Rule::Duplicate,
            _ => Rule::KindChanged,
        };
        Err(ReadEnd::rule(rule, &format!("{} is there", printable_name(path.as_bytes()))))
    }
}

fn key(path: &str) -> [u8; 16] {
    first(Sha256::digest(normalised(path)).as_slice())
}

fn spelling(path: &ReleasePath) -> u64 {
    spelling_of(path.as_str())
}

fn spelling_of(path: &str) -> u64 {
    if path.is_ascii() || normalised(path) == path {
        return 0;
    }
    u64::from_ne_bytes(first(Sha256::digest(path).as_slice()))
}

fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|index| bytes.get(index).copied().unwrap_or(0))
}

fn failed(what: &str, path: &str, error: io::Error) -> ReadEnd {
    UnpackError::io(format!("{what} {path}"), error).into()
}
