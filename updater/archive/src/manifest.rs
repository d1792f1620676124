//! What a release says of itself (`swarm-release.toml`, or else `release.toml`), read by one set of rules wherever
//! it is, on a host and on the master: a plain file, no link, of a bounded size; in an archive under the name
//! that it will have when it is unpacked.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::thread;

use bytes::Bytes;
use protocol::{EntryName, ProjectIdentity, ReleaseManifest};

use crate::blocks::Blocks;
use crate::error::{ReadEnd, UnpackError};
use crate::inflate::inflate;
use crate::members::{Content, Member, Members};
use crate::pipe::{Archived, Piece, pipes};
use crate::rule::Rule;
use crate::unpack::join;

/// The files that are looked for, the first that is there counts.
const FILES: [&str; 2] = [ReleaseManifest::OWN_FILE, ReleaseManifest::FILE];
/// Bytes of such a file, at most.
const MANIFEST_BYTES: u64 = 64 << 10;
/// Bytes of a project's own file, at most.
const PROJECT_BYTES: u64 = 1 << 20;
/// How many hardlinks may lead from one to the next.
const LINKS: usize = 8;

/// What a release says of itself, and in which of its two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestText {
    pub file: &'static str,
    pub text: String,
}

/// Why a file in a tree could not be read.
#[derive(Debug, thiserror::Error)]
#[error("read {file}")]
pub struct ManifestUnread {
    pub file: &'static str,
    pub source: io::Error,
}

/// The text in a tree; `None` if there is no such file.
pub fn manifest_of_tree(tree: &Path) -> Result<Option<ManifestText>, ManifestUnread> {
    for file in FILES {
        let read = sys::fs::read_plain(tree, file, MANIFEST_BYTES);
        match read.and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other)) {
            Ok(text) => return Ok(Some(ManifestText { file, text })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ManifestUnread { file, source }),
        }
    }
    Ok(None)
}

/// What the files of its project say that a tree is; those that are not `wanted` are not asked.
pub fn identity_of_tree(tree: &Path, wanted: impl Fn(&str) -> bool) -> ProjectIdentity {
    let mut identity = ProjectIdentity::default();
    for file in ProjectIdentity::FILES.iter().filter(|file| wanted(file)) {
        if identity.is_whole() {
            break;
        }
        // Only a name for it: one that cannot be read says nothing.
        let read = sys::fs::read_plain(tree, file, PROJECT_BYTES).ok();
        let text = read.and_then(|bytes| String::from_utf8(bytes).ok());
        identity =
            identity.or(text.map(|text| ProjectIdentity::of(file, &text)).unwrap_or_default());
    }
    identity
}

/// The text in an archive; `None` if it has no such file. `open` begins to read the archive, and is
/// called again for each file that is looked for, and where a hardlink stands in its place.
pub fn manifest_of_archive<S>(
    open: impl Fn() -> io::Result<S>,
) -> Result<Option<ManifestText>, UnpackError>
where
    S: Iterator<Item = io::Result<Bytes>>,
{
    for file in FILES {
        if let Some(text) = text_in_archive(&open, file)? {
            return Ok(Some(ManifestText { file, text }));
        }
    }
    Ok(None)
}

fn text_in_archive<S>(
    open: &impl Fn() -> io::Result<S>,
    file: &'static str,
) -> Result<Option<String>, UnpackError>
where
    S: Iterator<Item = io::Result<Bytes>>,
{
    let mut name = file.to_owned();
    for link in 0..=LINKS {
        let chunks = open().map_err(|error| UnpackError::io("open the archive", error))?;
        match find(chunks, &name)? {
            Some(Found::Text(text)) => return Ok(Some(text)),
            Some(Found::Link(target)) => name = target,
            None if link == 0 => return Ok(None),
            None => break,
        }
    }
    Err(rejected(file, Rule::HardlinkTarget))
}

/// What an archive has, as far as it says whether something of it can be started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Whether one of its files may be executed.
    pub executables: bool,
    /// The names of the files at its root.
    pub root: BTreeSet<String>,
}

/// Looks through a whole archive.
pub fn outline_of_archive(
    chunks: impl Iterator<Item = io::Result<Bytes>>,
) -> Result<Outline, UnpackError> {
    through(chunks, |mut members| {
        let mut outline = Outline::default();
        while let Some(member) = members.next()? {
            outline.executables |= member.content.is_executable();
            if let Content::File { size, .. } = &member.content {
                let path = inside(&member.name)?;
                outline.root.extend(path.filter(|path| !path.contains('/')));
                members.blocks.content(*size, |_| Ok(()))?;
            }
        }
        Ok(outline)
    })
}

enum Found {
    Text(String),
    /// It is another name for this.
    Link(String),
}

fn find(
    chunks: impl Iterator<Item = io::Result<Bytes>>,
    name: &str,
) -> Result<Option<Found>, UnpackError> {
    through(chunks, |members| read(members, name))
}

/// Reads members as `read` does, from the beginning.
fn through<T: Send>(
    chunks: impl Iterator<Item = io::Result<Bytes>>,
    read: impl FnOnce(Members) -> Result<T, ReadEnd> + Send,
) -> Result<T, UnpackError> {
    let (sender, chunk_source, buffers, inflated) = pipes();
    let members = Members::new(Blocks::new(inflated, u64::MAX), u64::MAX);
    let failed = |error| UnpackError::io("start a thread", error);
    let (sent, inflated, found) = thread::scope(|scope| {
        let reading = thread::Builder::new().spawn_scoped(scope, move || read(members));
        let reading = reading.map_err(failed)?;
        let inflating = thread::Builder::new()
            .spawn_scoped(scope, move || inflate(chunk_source, &buffers))
            .map_err(failed)?;
        let sent = send(chunks, sender);
        Ok((sent, join(inflating), join(reading)))
    })?;
    // A reader that found what it looks for has let go of the others.
    match (found, inflated, sent) {
        (Ok(found), ..) => Ok(found),
        (Err(ReadEnd::Failed(error)), ..)
        | (_, Err(ReadEnd::Failed(error)), _)
        | (.., Err(ReadEnd::Failed(error))) => Err(error),
        _ => Err(UnpackError::io("read the archive", io::Error::other("a thread ended early"))),
    }
}

fn send(
    chunks: impl Iterator<Item = io::Result<Bytes>>,
    sender: SyncSender<Archived>,
) -> Result<(), ReadEnd> {
    for chunk in chunks {
        let chunk = chunk.map_err(|source| UnpackError::Interrupted { source })?;
        sender.send(Piece::Data(chunk)).map_err(|_| ReadEnd::Neighbour)?;
    }
    let ended = sender.send(Piece::End).map_err(|_| ReadEnd::Neighbour);
    drop(sender);
    ended
}

fn read(mut members: Members, name: &str) -> Result<Option<Found>, ReadEnd> {
    while let Some(member) = members.next()? {
        let found = look(&member, &mut members.blocks, name);
        if let Some(found) = found.map_err(|stop| stop.at(&member.name))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn look(member: &Member, blocks: &mut Blocks, name: &str) -> Result<Option<Found>, ReadEnd> {
    let is_it = inside(&member.name)?.is_some_and(|path| path == name);
    match &member.content {
        Content::File { size, .. } if !is_it => blocks.content(*size, |_| Ok(())).map(|()| None),
        _ if !is_it => Ok(None),
        Content::File { size, .. } if *size > MANIFEST_BYTES => {
            Err(unread(format!("it has more than {MANIFEST_BYTES} bytes")))
        }
        Content::File { size, .. } => {
            let mut bytes = Vec::new();
            blocks.content(*size, |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })?;
            let text = String::from_utf8(bytes).map_err(|error| unread(error.to_string()))?;
            Ok(Some(Found::Text(text)))
        }
        Content::Hardlink(target) => match inside(target)? {
            Some(target) => Ok(Some(Found::Link(target))),
            None => Err(Rule::HardlinkTarget.into()),
        },
        Content::Symlink(_) | Content::Directory => Err(unread("it is not a file".to_owned())),
    }
}

/// What a name means below the root.
fn inside(name: &[u8]) -> Result<Option<String>, ReadEnd> {
    match EntryName::parse(name)? {
        EntryName::Root => Ok(None),
        EntryName::Inside { path, .. } => Ok(Some(path.as_str().to_owned())),
    }
}

fn unread(why: String) -> ReadEnd {
    UnpackError::io("read what the release says of itself", io::Error::other(why)).into()
}

fn rejected(file: &str, rule: Rule) -> UnpackError {
    UnpackError::Rejected { rule, entry: Some(file.to_owned()), detail: rule.to_string() }
}
