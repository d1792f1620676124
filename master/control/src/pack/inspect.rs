//! Looks at an archive that somebody else made.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use protocol::{Digest, ReleaseManifest};
use sha2::{Digest as _, Sha256};
use tar::Archive;

use crate::pack::{PackError, Packed};

const READ: usize = 128 * 1024;
/// Bytes of a `release.toml` that an updater reads.
pub const MANIFEST_BYTES: u64 = 64 << 10;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Hashes an archive and sees that it is gzip or zstd. What is inside, the updaters check.
pub fn inspect(path: &Path) -> Result<Packed, PackError> {
    let mut file = File::open(path).map_err(PackError::read(path))?;
    let metadata = file.metadata().map_err(PackError::read(path))?;
    if !metadata.is_file() {
        return Err(PackError::NotAnArchive(path.to_owned()));
    }
    let mut buffer = vec![0; READ];
    let mut hash = Sha256::new();
    let mut head = Vec::new();
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer).map_err(PackError::read(path))?;
        if read == 0 {
            break;
        }
        let missing = ZSTD.len().saturating_sub(head.len()).min(read);
        head.extend_from_slice(&buffer[..missing]);
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
    if !head.starts_with(&GZIP) && !head.starts_with(&ZSTD) {
        return Err(PackError::NotAnArchive(path.to_owned()));
    }
    Ok(Packed {
        path: path.to_owned(),
        digest: Digest::from_bytes(hash.finalize().into()),
        bytes,
        files: None,
        label: None,
        name: None,
        version: None,
        migration: None,
        left_out: Vec::new(),
        notices: Vec::new(),
    })
}

/// What is said in the `release.toml` of an archive; nothing is said where there is none. Only so
/// much is read as there is before it.
pub fn manifest_in(path: &Path) -> Result<ReleaseManifest, PackError> {
    let mut archive = Archive::new(inflated(path)?);
    // Header by header as they are written, so that none is held in memory.
    for entry in archive.entries().map_err(PackError::read(path))?.raw(true) {
        let mut entry = entry.map_err(PackError::read(path))?;
        let name = entry.path_bytes();
        if name.strip_prefix(b"./").unwrap_or(&name) != ReleaseManifest::FILE.as_bytes() {
            continue;
        }
        let mut text = String::new();
        let read = (&mut entry).take(MANIFEST_BYTES).read_to_string(&mut text);
        read.map_err(PackError::read(path))?;
        return ReleaseManifest::parse(&text)
            .map_err(|source| PackError::Manifest { path: path.to_owned(), source });
    }
    Ok(ReleaseManifest::default())
}

/// An archive's content as it was before it was compressed.
pub fn inflated(path: &Path) -> Result<Box<dyn Read>, PackError> {
    let file = BufReader::new(File::open(path).map_err(PackError::read(path))?);
    if is_gzip(path)? {
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(file)));
    }
    Ok(Box::new(zstd::Decoder::with_buffer(file).map_err(PackError::read(path))?))
}

/// Whether an archive is gzip; else it is zstd.
pub fn is_gzip(path: &Path) -> Result<bool, PackError> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(PackError::read(path))?;
    file.take(GZIP.len() as u64).read_to_end(&mut head).map_err(PackError::read(path))?;
    Ok(head == GZIP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_release_says_of_itself_is_found_in_its_archive() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.tar.zst");
        let with = |name: &str, text: &str| {
            let mut archive = tar::Builder::new(Vec::new());
            for (name, text) in [("a", "x"), (name, text), ("z", "x")] {
                let mut header = tar::Header::new_gnu();
                header.set_size(text.len() as u64);
                archive.append_data(&mut header, name, text.as_bytes()).unwrap();
            }
            let bytes = zstd::encode_all(archive.into_inner().unwrap().as_slice(), 1).unwrap();
            std::fs::write(&path, bytes).unwrap();
            manifest_in(&path)
        };
        for name in ["release.toml", "./release.toml"] {
            assert_eq!(with(name, "version = '1'").unwrap().version.as_deref(), Some("1"));
        }
        assert_eq!(with("other.toml", "version = '1'").unwrap(), ReleaseManifest::default());
        let bad = with("release.toml", "versoin = '1'");
        assert!(matches!(bad, Err(PackError::Manifest { .. })));
        std::fs::write(&path, "no archive").unwrap();
        assert!(matches!(manifest_in(&path), Err(PackError::Read { .. })));
    }

    #[test]
    fn an_archive_is_known_by_its_first_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.tar.gz");
        std::fs::write(&path, [0x1f, 0x8b, 8, 0]).unwrap();
        let seen = inspect(&path).unwrap();
        assert_eq!(seen.bytes, 4);
        assert_eq!(seen.digest.as_bytes()[..], Sha256::digest([0x1f, 0x8b, 8, 0])[..]);
        for other in [&b""[..], b"\x1f", b"PK\x03\x04", b"plain text"] {
            std::fs::write(&path, other).unwrap();
            assert!(matches!(inspect(&path), Err(PackError::NotAnArchive(_))));
        }
        assert!(matches!(inspect(directory.path()), Err(PackError::NotAnArchive(_))));
    }
}
