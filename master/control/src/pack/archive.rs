//! Writes the entries of an archive: ustar, with PAX records where a name is too long for it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc;
use tar::{Builder, EntryType, Header};

use crate::interrupt::CancelToken;
use crate::pack::PackError;
use crate::pack::item::Stamp;
use crate::pack::sink::{Sink, Written};

const READ: usize = 128 * 1024;
/// Entries begin at multiples of this.
const TAR_BLOCK: usize = 512;

/// An archive in the making.
pub(super) struct Archive<'a> {
    cancel: &'a CancelToken,
    builder: Builder<Sink>,
    path: PathBuf,
    time: u64,
    buffer: Vec<u8>,
}

impl<'a> Archive<'a> {
    /// Begins an archive all of whose entries are from `time`. Cancelled, or dropped, it leaves
    /// nothing.
    pub(super) fn create(
        path: &Path,
        time: u64,
        cancel: &'a CancelToken,
    ) -> Result<Self, PackError> {
        let sink = Sink::create(path).map_err(PackError::write(path))?;
        let buffer = vec![0; READ];
        Ok(Self { cancel, builder: Builder::new(sink), path: path.to_owned(), time, buffer })
    }

    /// Says for the whole archive which commit it is of, as `git archive` does. It comes first.
    pub(super) fn origin(&mut self, commit: &str, describe: Option<&str>) -> Result<(), PackError> {
        let mut records = record("comment", commit);
        records.extend(describe.into_iter().flat_map(|text| record(::archive::DESCRIBE, text)));
        let written = self.extended(EntryType::XGlobalHeader, "pax_global_header", &records);
        written.map_err(PackError::write(&self.path))
    }

    /// Adds the file at `place`, which must still be what it was when it was listed, and stay so
    /// until it is read: else the archive would hold what never was on the disk at one time.
    pub(super) fn file(
        &mut self,
        path: &str,
        place: &Path,
        executable: bool,
        stamp: &Stamp,
    ) -> Result<(), PackError> {
        let mut file = File::options()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(place)
            .map_err(PackError::read(place))?;
        check_unchanged(&file, place, stamp)?;
        let size = stamp.size;
        let mode = if executable { 0o755 } else { 0o644 };
        self.header(EntryType::Regular, path, mode, size, None)?;
        let mut left = size;
        while left > 0 {
            self.cancel.check()?;
            let most = usize::try_from(left).map_or(READ, |left| left.min(READ));
            match file.read(&mut self.buffer[..most]) {
                Ok(0) => return Err(PackError::Changed(place.to_owned())),
                Ok(read) => {
                    left -= read as u64;
                    let sink = self.builder.get_mut();
                    sink.write_all(&self.buffer[..read]).map_err(PackError::write(&self.path))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(PackError::Read { path: place.to_owned(), source }),
            }
        }
        check_unchanged(&file, place, stamp)?;
        self.pad(size)
    }

    /// Adds a symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<(), PackError> {
        self.header(EntryType::Symlink, path, 0o777, 0, Some(target))
    }

    /// Adds an empty directory.
    pub(super) fn directory(&mut self, path: &str) -> Result<(), PackError> {
        self.header(EntryType::Directory, &format!("{path}/"), 0o755, 0, None)
    }

    /// Ends the archive and gives the file its name.
    pub(super) fn finish(self) -> Result<Written, PackError> {
        let Self { cancel, builder, path, .. } = self;
        let sink = builder.into_inner().map_err(PackError::write(&path))?;
        cancel.check()?;
        let sealed = sink.seal().map_err(PackError::write(&path))?;
        cancel.check()?;
        sealed.persist(&path).map_err(PackError::write(&path))
    }

    fn header(
        &mut self,
        kind: EntryType,
        path: &str,
        mode: u32,
        size: u64,
        target: Option<&str>,
    ) -> Result<(), PackError> {
        self.cancel.check()?;
        let written = self.write_header(kind, path, mode, size, target);
        written.map_err(PackError::write(&self.path))
    }

    fn write_header(
        &mut self,
        kind: EntryType,
        path: &str,
        mode: u32,
        size: u64,
        target: Option<&str>,
    ) -> io::Result<()> {
        let (mut header, mut records) = (Header::new_ustar(), Vec::new());
        if header.set_path(path).is_err() {
            records.extend(record("path", path));
            header.set_path(short(path, 100))?;
        }
        if let Some(target) = target
            && header.set_link_name_literal(target).is_err()
        {
            records.extend(record("linkpath", target));
            header.set_link_name_literal(short(target, 100))?;
        }
        if !records.is_empty() {
            self.extended(EntryType::XHeader, "PaxHeader", &records)?;
        }
        self.fill(&mut header, kind, mode, size)?;
        self.builder.get_mut().write_all(header.as_bytes())
    }

    /// An extended header. The crate writes it without a mode, an owner and a time, which is no header to
    /// strict readers, the updater among them.
    fn extended(&mut self, kind: EntryType, name: &str, records: &[u8]) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_path(name)?;
        self.fill(&mut header, kind, 0o644, records.len() as u64)?;
        let sink = self.builder.get_mut();
        sink.write_all(header.as_bytes())?;
        sink.write_all(records)?;
        sink.write_all(padding(records.len() as u64))
    }

    pub(super) fn fill(
        &self,
        header: &mut Header,
        kind: EntryType,
        mode: u32,
        size: u64,
    ) -> io::Result<()> {
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root")?;
        header.set_groupname("root")?;
        header.set_mtime(self.time);
        // From 8 GiB on in base 256, which every reader of today knows.
        header.set_size(size);
        header.set_cksum();
        Ok(())
    }

    fn pad(&mut self, size: u64) -> Result<(), PackError> {
        self.builder.get_mut().write_all(padding(size)).map_err(PackError::write(&self.path))
    }
}

/// The zeros behind a content of that size.
fn padding(size: u64) -> &'static [u8] {
    const ZEROS: [u8; TAR_BLOCK] = [0; TAR_BLOCK];
    let over = usize::try_from(size % TAR_BLOCK as u64).unwrap_or_default();
    if over == 0 { &[] } else { &ZEROS[over..] }
}

/// One record of a PAX header: its length, which counts itself, key and value.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length.to_string().len() + rest.len() != length {
        length = length.to_string().len() + rest.len();
    }
    format!("{length}{rest}").into_bytes()
}

fn check_unchanged(file: &File, place: &Path, stamp: &Stamp) -> Result<(), PackError> {
    let metadata = file.metadata().map_err(PackError::read(place))?;
    if metadata.is_file() && Stamp::of(&metadata) == *stamp {
        return Ok(());
    }
    Err(PackError::Changed(place.to_owned()))
}

/// As much of a name as fits, for readers that do not know PAX.
fn short(name: &str, most: usize) -> &str {
    let end = (0..=most.min(name.len())).rev().find(|&end| name.is_char_boundary(end));
    let cut = name[..end.unwrap_or(0)].trim_end_matches('/');
    // Cut in the middle of a name, two of its dots would lead out of the release.
    cut.strip_suffix("/..").unwrap_or(cut)
}
