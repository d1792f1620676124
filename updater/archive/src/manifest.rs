//! `release.toml`, read by one set of rules wherever it is, on a host and on the master: a plain file,
//! no link, of a bounded size; in an archive under the name that it will have when it is unpacked.

use std::io;
use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::thread;

use bytes::Bytes;
use protocol::{EntryName, ReleaseManifest};

use crate::blocks::Blocks;
use crate::error::{ReadEnd, UnpackError};
use crate::inflate::inflate;
use crate::members::{Content, Member, Members};
use crate::pipe::{Archived, Piece, pipes};
use crate::rule::Rule;
use crate::unpack::join;

/// Bytes of a `release.toml`, at most.
const MANIFEST_BYTES: u64 = 64 << 10;
/// How many hardlinks may lead from one to the next.
const LINKS: usize = 8;

/// The text in a tree; `None` if there is no such file.
pub fn manifest_of_tree(tree: &Path) -> io::Result<Option<String>> {
    match sys::fs::read_plain(tree, ReleaseManifest::FILE, MANIFEST_BYTES) {
        Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The text in an archive; `None` if it has no such file. `open` begins to read the archive, and is
/// called again where a hardlink stands in the file's place.
pub fn manifest_of_archive<S>(
    open: impl Fn() -> io::Result<S>,
) -> Result<Option<String>, UnpackError>
where
    S: Iterator<Item = io::Result<Bytes>>,
{
    let mut name = ReleaseManifest::FILE.to_owned();
    for link in 0..=LINKS {
        let chunks = open().map_err(|error| UnpackError::io("open the archive", error))?;
        match find(chunks, &name)? {
            Some(Found::Text(text)) => return Ok(Some(text)),
            Some(Found::Link(target)) => name = target,
            None if link == 0 => return Ok(None),
            None => break,
        }
    }
    Err(rejected(Rule::HardlinkTarget))
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
    let (sender, chunk_source, buffers, inflated) = pipes();
    let members = Members::new(Blocks::new(inflated, u64::MAX), u64::MAX);
    let failed = |error| UnpackError::io("start a thread", error);
    let (sent, inflated, found) = thread::scope(|scope| {
        let reading = thread::Builder::new().spawn_scoped(scope, move || read(members, name));
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
    UnpackError::io(format!("read {}", ReleaseManifest::FILE), io::Error::other(why)).into()
}

fn rejected(rule: Rule) -> UnpackError {
    UnpackError::Rejected {
        rule,
        entry: Some(ReleaseManifest::FILE.to_owned()),
        detail: rule.to_string(),
    }
}
