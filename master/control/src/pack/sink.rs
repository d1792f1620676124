//! Where an archive's bytes go: compressed, hashed, and to a file that appears only when it is
//! whole.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use protocol::Digest;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

/// Zstandard's own default: level 3 keeps its window (2 MiB) far below what updaters take (8 MiB).
const ZSTD_LEVEL: i32 = 3;
const GZIP_LEVEL: u32 = 6;

/// What is compressed at once. A compressor may cut its blocks by what it is handed, so it is
/// always handed the same.
const BLOCK: usize = 128 * 1024;

/// A file in the making.
pub(super) struct Sink {
    encoder: Encoder,
    block: Vec<u8>,
}

/// A file that is whole, and has no name yet.
pub(super) struct Sealed(Hashed);

/// A file that is whole, and in its place.
pub(super) struct Written {
    pub(super) digest: Digest,
    pub(super) bytes: u64,
}

enum Encoder {
    Zstd(zstd::Encoder<'static, Hashed>),
    Gzip(GzEncoder<Hashed>),
}

impl Sink {
    /// Begins a file beside `path`, compressed as its name says.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = tempfile::Builder::new()
            .prefix(".swarm-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory(path))
            .map_err(|error| without_path(&error))?;
        let hashed = Hashed { file, hash: Sha256::new(), bytes: 0 };
        let encoder = if is_gzip(path) {
            let header = GzBuilder::new().mtime(0).operating_system(255);
            Encoder::Gzip(header.write(hashed, Compression::new(GZIP_LEVEL)))
        } else {
            let mut encoder = zstd::Encoder::new(hashed, ZSTD_LEVEL)?;
            encoder.include_checksum(true)?;
            Encoder::Zstd(encoder)
        };
        Ok(Self { encoder, block: Vec::with_capacity(BLOCK) })
    }

    /// Ends the file and makes its bytes durable. It has no name yet.
    pub(super) fn seal(mut self) -> io::Result<Sealed> {
        self.hand_over()?;
        let mut hashed = match self.encoder {
            Encoder::Zstd(encoder) => encoder.finish()?,
            Encoder::Gzip(encoder) => encoder.finish()?,
        };
        hashed.flush()?;
        hashed.file.as_file().sync_all()?;
        Ok(Sealed(hashed))
    }

    fn hand_over(&mut self) -> io::Result<()> {
        match &mut self.encoder {
            Encoder::Zstd(encoder) => encoder.write_all(&self.block)?,
            Encoder::Gzip(encoder) => encoder.write_all(&self.block)?,
        }
        self.block.clear();
        Ok(())
    }
}

impl Sealed {
    /// Gives the file its name, for good.
    pub(super) fn persist(self, path: &Path) -> io::Result<Written> {
        let Hashed { file, hash, bytes } = self.0;
        file.persist(path)?;
        File::open(directory(path))?.sync_all()?;
        Ok(Written { digest: Digest::from_bytes(hash.finalize().into()), bytes })
    }
}

fn is_gzip(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    [".tar.gz", ".tgz"].iter().any(|end| name.ends_with(end))
}

/// The error alone: the name of a temporary file would tell nobody anything.
fn without_path(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::from(error.kind()),
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == BLOCK {
            self.hand_over()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Hashed {
    file: NamedTempFile,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
