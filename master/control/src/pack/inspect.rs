//! Looks at an archive that another program made.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use protocol::Digest;
use sha2::{Digest as _, Sha256};

use crate::interrupt::CancelToken;
use crate::pack::{PackError, Packed};

const READ: usize = 128 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Hashes an archive and sees that it is gzip or zstd. What is inside, the updaters check.
pub fn inspect(path: &Path, cancel: &CancelToken) -> Result<Packed, PackError> {
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
        cancel.check()?;
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
        describe: None,
        name: None,
        version: None,
        migration: None,
        needs_command: false,
        left_out: Vec::new(),
        notices: Vec::new(),
    })
}

/// An archive's content as it was before it was compressed. Reading it fails once it is cancelled.
pub fn inflated<'a>(
    path: &Path,
    cancel: &'a CancelToken,
) -> Result<impl Read + use<'a>, PackError> {
    let file = BufReader::new(File::open(path).map_err(PackError::read(path))?);
    let content: Box<dyn Read> = if is_gzip(path)? {
        Box::new(flate2::bufread::MultiGzDecoder::new(file))
    } else {
        Box::new(zstd::Decoder::with_buffer(file).map_err(PackError::read(path))?)
    };
    Ok(Cancellable { content, cancel })
}

/// Something to read, until that is cancelled.
struct Cancellable<'a> {
    content: Box<dyn Read>,
    cancel: &'a CancelToken,
}

impl Read for Cancellable<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        self.content.read(into)
    }
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
    use crate::interrupt::undisturbed;

    #[test]
    fn an_archive_is_known_by_its_first_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.tar.gz");
        std::fs::write(&path, [0x1f, 0x8b, 8, 0]).unwrap();
        let inspect = |path: &Path| undisturbed(|cancel| inspect(path, cancel));
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
