//! What an archive inflates to, counted as the updaters count it.
//!
//! It is read twice and nothing of it is kept: once header by header, as it is written, and once
//! member by member, for what hardlinks will be copied to.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;

use protocol::EntryName;
use tar::{Archive, EntryType};

use crate::interrupt::CancelToken;
use crate::pack;
use crate::signing::SigningError;

/// Bytes of one extended header that an updater takes. The second pass holds it in memory.
const EXTENSION_BYTES: u64 = 64 << 10;

/// What a manifest says of an archive besides its digest and its length.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) unpacked_bytes: u64,
    pub(super) entries: u64,
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
}

/// Reads a whole archive.
pub(super) fn measure(path: &Path, cancel: &CancelToken) -> Result<Measured, SigningError> {
    let mut measured = Measured::default();
    headers(path, &mut measured, cancel)?;
    members(path, &mut measured, cancel)?;
    let release =
        pack::manifest_in(path, cancel).map_err(|error| SigningError::Pack(Box::new(error)))?;
    (measured.name, measured.version) = (release.name, release.version);
    Ok(measured)
}

fn headers(path: &Path, measured: &mut Measured, cancel: &CancelToken) -> Result<(), SigningError> {
    let failed = |source| SigningError::Read { path: path.to_owned(), source };
    let mut archive = Archive::new(Counted { inner: inflated(path, cancel)?, bytes: 0 });
    for entry in archive.entries().map_err(failed)?.raw(true) {
        let entry = entry.map_err(failed)?;
        measured.entries += 1;
        if is_extension(entry.header().entry_type()) && entry.size() > EXTENSION_BYTES {
            let reason = "an extended header has at most 64 KiB".to_owned();
            return Err(SigningError::Refused { path: path.to_owned(), reason });
        }
    }
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(failed)?;
    measured.unpacked_bytes = rest.bytes;
    Ok(())
}

fn members(path: &Path, measured: &mut Measured, cancel: &CancelToken) -> Result<(), SigningError> {
    let failed = |source| SigningError::Read { path: path.to_owned(), source };
    let refused = |reason: String| SigningError::Refused { path: path.to_owned(), reason };
    // What is made, with the directories above it; of a file, its size.
    let mut made: HashMap<String, Option<u64>> = HashMap::new();
    let mut archive = Archive::new(inflated(path, cancel)?);
    for entry in archive.entries().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // It is of the whole archive, and makes nothing.
        if entry.header().entry_type().is_pax_global_extensions() {
            continue;
        }
        let Some(name) = inside(&entry.path_bytes()).map_err(refused)? else { continue };
        let size = match entry.header().entry_type() {
            EntryType::Regular => Some(entry.size()),
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default();
                let target = inside(&target).map_err(refused)?;
                let size =
                    target.and_then(|target| made.get(&target).copied()).ok_or_else(|| {
                        refused(format!("{name}: a hardlink must be to an earlier file"))
                    })?;
                // Of a link there are no bytes.
                measured.unpacked_bytes += size.unwrap_or(0);
                size
            }
            _ => None,
        };
        for (end, _) in name.match_indices('/') {
            made.entry(name[..end].to_owned()).or_default();
        }
        made.insert(name, size);
    }
    measured.entries = measured.entries.max(made.len() as u64);
    Ok(())
}

/// The name of a member below the root, without a leading `./`.
fn inside(name: &[u8]) -> Result<Option<String>, String> {
    match EntryName::parse(name) {
        Ok(EntryName::Root) => Ok(None),
        Ok(EntryName::Inside { path, .. }) => Ok(Some(path.as_str().to_owned())),
        Err(rule) => Err(format!("{}: {rule}", String::from_utf8_lossy(name).escape_debug())),
    }
}

fn is_extension(kind: EntryType) -> bool {
    kind.is_gnu_longname()
        || kind.is_gnu_longlink()
        || kind.is_pax_local_extensions()
        || kind.is_pax_global_extensions()
}

fn inflated<'a>(path: &Path, cancel: &'a CancelToken) -> Result<impl Read + use<'a>, SigningError> {
    pack::inflated(path, cancel).map_err(|error| SigningError::Pack(Box::new(error)))
}

struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::undisturbed;

    fn member(archive: &mut tar::Builder<Vec<u8>>, name: &str, kind: EntryType, content: &str) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        if kind == EntryType::Regular {
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, name, content.as_bytes()).unwrap();
        } else {
            header.set_size(0);
            archive.append_link(&mut header, name, content).unwrap();
        }
    }

    fn measured(fill: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Result<Measured, SigningError> {
        let mut archive = tar::Builder::new(Vec::new());
        fill(&mut archive);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.tar.zst");
        let bytes = zstd::encode_all(archive.into_inner().unwrap().as_slice(), 1).unwrap();
        std::fs::write(&path, bytes).unwrap();
        undisturbed(|cancel| measure(&path, cancel))
    }

    #[test]
    fn headers_contents_padding_and_copies_are_counted() {
        let long = format!("./{}/x", "d".repeat(150));
        let found = measured(|archive| {
            member(archive, "release.toml", EntryType::Regular, "name = 'a'\nversion = '1'");
            member(archive, &long, EntryType::Regular, &"x".repeat(600));
            member(archive, "copy", EntryType::Link, &long);
            member(archive, "link", EntryType::Symlink, "copy");
        })
        .unwrap();
        // Four members and the long name twice; 13 blocks, two of them the end; the copy.
        let names = (Some("a".to_owned()), Some("1".to_owned()));
        assert_eq!((found.name, found.version), names);
        assert_eq!(found.entries, 6);
        assert_eq!(found.unpacked_bytes, 13 * 512 + 600);
    }

    #[test]
    fn directories_without_an_entry_are_counted() {
        let found = measured(|archive| member(archive, "a/b/c/d", EntryType::Regular, ""));
        assert_eq!(found.unwrap().entries, 4);
    }

    #[test]
    fn a_header_of_the_whole_archive_makes_nothing() {
        let found = measured(|archive| {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(EntryType::XGlobalHeader);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(13);
            archive.append_data(&mut header, "pax_global_header", &b"13 comment=x\n"[..]).unwrap();
            member(archive, "a/b/c/d", EntryType::Regular, "");
        });
        assert_eq!(found.unwrap().entries, 4);
    }

    #[test]
    fn what_no_updater_takes_is_not_signed() {
        for name in ["../x", "/x", "a\u{1}b"] {
            let found = measured(|archive| {
                let mut header = tar::Header::new_gnu();
                header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
                header.set_entry_type(EntryType::Regular);
                header.set_size(0);
                header.set_cksum();
                archive.append(&header, io::empty()).unwrap();
            });
            assert!(matches!(found, Err(SigningError::Refused { .. })), "{name}");
        }
        let found = measured(|archive| member(archive, "copy", EntryType::Link, "nothing"));
        assert!(matches!(found, Err(SigningError::Refused { .. })));
    }
}
