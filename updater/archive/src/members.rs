//! The members of an archive: headers with what their extended headers override, checked.
//!
//! Long names and PAX records are read here and not by the `tar` crate, which has no bound for
//! them and resolves ambiguity in silence.

use tar::EntryType;

use crate::blocks::{BLOCK, Blocks};
use crate::error::ReadEnd;
use crate::header::{self, Flavour, Parsed};
use crate::pax::{self, Overrides};
use crate::rule::Rule;

/// Bytes of one extended header, at most.
const EXTENSION_BYTES: u64 = 64 << 10;

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// A file of that size; its bytes follow in the stream.
    File {
        size: u64,
        /// Whether anyone may execute it.
        executable: bool,
    },
    Directory,
    /// A symbolic link to this.
    Symlink(Vec<u8>),
    /// Another name for this.
    Hardlink(Vec<u8>),
}

impl Content {
    /// Whether it is a file that may be executed.
    pub(crate) const fn is_executable(&self) -> bool {
        matches!(self, Self::File { executable: true, .. })
    }
}

/// One member, with its name as the archive writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: Vec<u8>,
    pub(crate) content: Content,
}

/// Reads members, one after the other.
pub(crate) struct Members {
    pub(crate) blocks: Blocks,
    headers: u64,
    limit: u64,
    notes: Notes,
    origin: Origin,
}

/// Which commit an archive was made of, as its packer wrote into it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The commit's name, in hex.
    pub commit: Option<String>,
    /// What `git describe` said of it.
    pub describe: Option<String>,
}

impl Origin {
    /// What was said first counts.
    fn add(&mut self, global: pax::Global) {
        let commit = global.comment.filter(|comment| is_commit(comment));
        self.commit = self.commit.take().or(commit);
        self.describe = self.describe.take().or(global.describe);
    }
}

/// Whether a comment is the name of a commit, by SHA-1 or SHA-256.
fn is_commit(comment: &str) -> bool {
    matches!(comment.len(), 40 | 64) && comment.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What is odd about an archive, and no reason to refuse it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Notes {
    half_end: bool,
    volume_label: bool,
}

impl Notes {
    /// In words.
    pub fn iter(self) -> impl Iterator<Item = &'static str> {
        let half_end = self.half_end.then_some("it ends with one block of zeros instead of two");
        let volume_label = self.volume_label.then_some("its volume label is left out");
        half_end.into_iter().chain(volume_label)
    }
}

/// The extended headers that came for the next member.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Overrides>,
}

impl Members {
    /// Reads from `blocks`, up to `limit` headers of any kind.
    pub(crate) fn new(blocks: Blocks, limit: u64) -> Self {
        let (notes, origin) = (Notes::default(), Origin::default());
        Self { blocks, headers: 0, limit, notes, origin }
    }

    /// What was odd so far.
    pub(crate) const fn notes(&self) -> Notes {
        self.notes
    }

    /// What it was made of, as far as it says so.
    pub(crate) fn origin(&self) -> Origin {
        self.origin.clone()
    }

    /// Headers of any kind so far.
    pub(crate) fn headers(&self) -> u64 {
        self.headers
    }

    /// The next member; `None` when the archive has ended as it must, and the stream with it.
    /// The content of a file must have been read before.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, ReadEnd> {
        let mut extensions = Extensions::default();
        loop {
            let Some(block) = self.blocks.block()? else {
                return Err(Rule::NoEndMarker.into());
            };
            if block == [0; BLOCK] {
                return self.end(&extensions);
            }
            let header = header::parse(&block)?;
            self.count(&header)?;
            if extensions.is_empty() && header.is_volume_label {
                self.notes.volume_label = true;
                continue;
            }
            if !self.extend(&header, &mut extensions).map_err(|stop| stop.at(&header.name))? {
                return member(header, extensions).map(Some);
            }
        }
    }

    fn count(&mut self, header: &Parsed) -> Result<(), ReadEnd> {
        self.headers += 1;
        if self.headers > self.limit {
            return Err(ReadEnd::from(Rule::Entries).at(&header.name));
        }
        Ok(())
    }

    fn end(&mut self, extensions: &Extensions) -> Result<Option<Member>, ReadEnd> {
        if !extensions.is_empty() {
            return Err(Rule::ExtensionDangling.into());
        }
        match self.blocks.block()? {
            None => {
                self.notes.half_end = true;
                Ok(None)
            }
            Some(block) if block != [0; BLOCK] => Err(Rule::TrailingData.into()),
            Some(_) => self.blocks.only_zeros().map(|()| None),
        }
    }

    /// Takes an extended header; false if it is none.
    fn extend(&mut self, header: &Parsed, extensions: &mut Extensions) -> Result<bool, ReadEnd> {
        let repeated = match header.entry_type {
            EntryType::GNULongName => extensions.name.is_some(),
            EntryType::GNULongLink => extensions.link.is_some(),
            EntryType::XHeader => extensions.pax.is_some(),
            EntryType::XGlobalHeader => false,
            _ => return Ok(false),
        };
        if repeated {
            return Err(Rule::ExtensionRepeated.into());
        }
        if header.flavour == Flavour::V7 {
            return Err(Rule::HeaderMagic.into());
        }
        let data = self.extension(header.size)?;
        match header.entry_type {
            EntryType::GNULongName => extensions.name = Some(long_name(data)),
            EntryType::GNULongLink => extensions.link = Some(long_name(data)),
            EntryType::XHeader => extensions.pax = Some(pax::parse(&data)?),
            _ => {
                let global = pax::parse_global(&data)?;
                self.notes.volume_label |= global.is_labelled;
                self.origin.add(global);
            }
        }
        Ok(true)
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>, ReadEnd> {
        if size > EXTENSION_BYTES {
            return Err(Rule::HeaderBytes.into());
        }
        let mut data = Vec::new();
        self.blocks.content(size, |bytes| {
            data.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(data)
    }
}

impl Extensions {
    const fn is_empty(&self) -> bool {
        matches!(self, Self { name: None, link: None, pax: None })
    }
}

/// A long name ends with one NUL, which is not a part of it.
fn long_name(mut data: Vec<u8>) -> Vec<u8> {
    if data.last() == Some(&0) {
        data.pop();
    }
    data
}

fn member(header: Parsed, extensions: Extensions) -> Result<Member, ReadEnd> {
    let pax = extensions.pax.unwrap_or_default();
    // Readers that apply the size to the next header, whatever it is, would lose their place.
    let by_gnu_too = extensions.name.is_some() || extensions.link.is_some();
    let size = match pax.size {
        None => Ok(header.size),
        // A size that the header has no room for.
        Some(size) if header.size == 0 && !by_gnu_too => Ok(size),
        Some(size) if size == header.size => Ok(size),
        Some(_) => Err(Rule::PaxSize),
    };
    let first_name = header.name.clone();
    let name = one_of(extensions.name, pax.name, header.name).map_err(|s| s.at(&first_name))?;
    let entry_type = match header.entry_type {
        // Before POSIX, directories had no type of their own.
        EntryType::Regular if header.flavour == Flavour::V7 && name.ends_with(b"/") => {
            EntryType::Directory
        }
        own => own,
    };
    let content = one_of(extensions.link, pax.link, header.link)
        .and_then(|link| content(entry_type, size, header.executable, link))
        .map_err(|stop| stop.at(&name))?;
    Ok(Member { name, content })
}

fn one_of(long: Option<Vec<u8>>, pax: Option<Vec<u8>>, own: Vec<u8>) -> Result<Vec<u8>, ReadEnd> {
    match (long, pax) {
        (Some(_), Some(_)) => Err(Rule::ExtensionAmbiguous.into()),
        (long, pax) => Ok(long.or(pax).unwrap_or(own)),
    }
}

fn content(
    entry_type: EntryType,
    size: Result<u64, Rule>,
    executable: bool,
    link: Vec<u8>,
) -> Result<Content, ReadEnd> {
    let content = match entry_type {
        EntryType::Regular => Content::File { size: size?, executable },
        EntryType::Directory => Content::Directory,
        EntryType::Symlink => Content::Symlink(link),
        EntryType::Link => Content::Hardlink(link),
        EntryType::Char | EntryType::Block | EntryType::Fifo => {
            return Err(Rule::SpecialFile.into());
        }
        EntryType::GNUSparse => return Err(Rule::Sparse.into()),
        _ => return Err(Rule::UnknownType.into()),
    };
    if size? > 0 && !matches!(content, Content::File { .. }) {
        return Err(Rule::UnexpectedData.into());
    }
    Ok(content)
}
