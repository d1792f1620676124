//! A tar archive, entry by entry.

use super::{Header, kind};

/// The way in which an entry's name and target are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// In the header, the name in two parts if it is long.
    Ustar,
    /// In GNU's long names, whatever their length; the header has a harmless one.
    Gnu,
    /// In PAX records; the header has a harmless one.
    Pax,
}

impl Format {
    pub const ALL: [Self; 3] = [Self::Ustar, Self::Gnu, Self::Pax];
}

/// What stands in a header whose name is elsewhere.
const HARMLESS: &str = "harmless";

/// An archive that grows.
#[derive(Debug, Clone, Default)]
pub struct Tar(Vec<u8>);

impl Tar {
    /// An empty one, without an end.
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn file(self, name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        self.entry(&Header::new(kind::FILE, name).size(content.len() as u64), content)
    }

    /// A file that may be executed.
    #[must_use]
    pub fn program(self, name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        let header = Header::new(kind::FILE, name).mode(0o755);
        self.entry(&header.size(content.len() as u64), content)
    }

    #[must_use]
    pub fn directory(self, name: impl AsRef<[u8]>) -> Self {
        self.entry(&Header::new(kind::DIRECTORY, name).mode(0o755), b"")
    }

    #[must_use]
    pub fn symlink(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.entry(&Header::new(kind::SYMLINK, name).link(target), b"")
    }

    #[must_use]
    pub fn hardlink(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.entry(&Header::new(kind::HARDLINK, name).link(target), b"")
    }

    /// An entry of this kind whose name and target are written in this way.
    #[must_use]
    pub fn written(self, format: Format, kind: u8, name: &[u8], target: &[u8]) -> Self {
        match format {
            Format::Ustar => {
                let (prefix, name) = in_two(name);
                self.entry(&Header::new(kind, name).prefix(prefix).link(target), b"")
            }
            Format::Gnu => {
                let tar = if target.is_empty() { self } else { self.long_link(target) };
                tar.long_name(name).entry(&Header::new(kind, HARMLESS).gnu().link(HARMLESS), b"")
            }
            Format::Pax => {
                let target = (!target.is_empty()).then(|| pax_record("linkpath", target));
                let records = [pax_record("path", name), target.unwrap_or_default()].concat();
                self.pax_raw(&records).entry(&Header::new(kind, HARMLESS).link(HARMLESS), b"")
            }
        }
    }

    /// PAX records for the next entry.
    #[must_use]
    pub fn pax(self, records: &[(&str, &str)]) -> Self {
        self.pax_raw(&records_of(records))
    }

    /// A PAX header with any content.
    #[must_use]
    pub fn pax_raw(self, records: &[u8]) -> Self {
        self.extension(Header::new(kind::PAX, "PaxHeaders/next"), records)
    }

    /// PAX records for all entries that follow.
    #[must_use]
    pub fn pax_global(self, records: &[(&str, &str)]) -> Self {
        let header = Header::new(kind::PAX_GLOBAL, "pax_global_header");
        self.extension(header, &records_of(records))
    }

    /// GNU's long name for the next entry.
    #[must_use]
    pub fn long_name(self, name: &[u8]) -> Self {
        let header = Header::new(kind::LONG_NAME, "././@LongLink").gnu();
        self.extension(header, &[name, b"\0"].concat())
    }

    /// GNU's long target for the next entry.
    #[must_use]
    pub fn long_link(self, target: &[u8]) -> Self {
        let header = Header::new(kind::LONG_LINK, "././@LongLink").gnu();
        self.extension(header, &[target, b"\0"].concat())
    }

    /// A header as it is, and content with its padding.
    #[must_use]
    pub fn entry(self, header: &Header, content: &[u8]) -> Self {
        let padding = content.len().next_multiple_of(512) - content.len();
        self.raw(&header.block()).raw(content).raw(&vec![0; padding])
    }

    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    #[must_use]
    pub fn end(self) -> Self {
        self.raw(&[0; 1024])
    }

    /// What it has come to.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn extension(self, header: Header, data: &[u8]) -> Self {
        self.entry(&header.size(data.len() as u64), data)
    }
}

/// One PAX record with its length, which counts its own digits.
pub fn pax_record(key: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    let rest = [b" ", key.as_bytes(), b"=", value.as_ref(), b"\n"].concat();
    let mut length = rest.len() + 1;
    while length.to_string().len() + rest.len() != length {
        length += 1;
    }
    [length.to_string().as_bytes(), &rest].concat()
}

fn records_of(records: &[(&str, &str)]) -> Vec<u8> {
    records.iter().flat_map(|(key, value)| pax_record(key, value)).collect()
}

/// A long name's parts: what fits into the header's name, and what stands before it.
fn in_two(name: &[u8]) -> (&[u8], &[u8]) {
    if name.len() <= 100 {
        return (b"", name);
    }
    let fits = |at: &usize| name[*at] == b'/' && *at <= 155 && name.len() - at - 1 <= 100;
    match (1..name.len() - 1).find(fits) {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (b"", name),
    }
}
