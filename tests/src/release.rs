//! A packed release, made without `swarm`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use protocol::{Digest, content_digest};
use sha2::{Digest as _, Sha256};

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As `swarm pack` does.
    Zstd,
    /// As most others do.
    Gzip,
}

/// An archive and its digest.
#[derive(Debug, Clone)]
pub struct Release {
    pub digest: Digest,
    pub bytes: Vec<u8>,
    packing: Packing,
}

impl Release {
    /// Packs a directory: sorted, with fixed owners and times, so that a tree has one digest.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn pack(directory: &Path, packing: Packing) -> Result<Self> {
        let mut paths = Vec::new();
        walk(directory, directory, &mut paths)?;
        let mut archive = tar::Builder::new(Vec::new());
        archive.mode(tar::HeaderMode::Deterministic);
        archive.follow_symlinks(false);
        for path in paths {
            archive.append_path_with_name(directory.join(&path), &path)?;
        }
        Self::of_tar(&archive.into_inner()?, packing)
    }

    /// Compresses a tar that may be anything.
    ///
    /// # Errors
    /// When the compressor refuses.
    pub fn of_tar(tar: &[u8], packing: Packing) -> Result<Self> {
        let bytes = match packing {
            Packing::Zstd => {
                let mut encoder = zstd::Encoder::new(Vec::new(), 3)?;
                // As `swarm` and the zstd program write it: a byte that rots is then noticed.
                encoder.include_checksum(true)?;
                encoder.write_all(tar)?;
                encoder.finish()?
            }
            Packing::Gzip => {
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(tar)?;
                encoder.finish()?
            }
        };
        Ok(Self::of_bytes(bytes, packing))
    }

    /// Takes bytes that may be no archive at all for one.
    pub fn of_bytes(bytes: Vec<u8>, packing: Packing) -> Self {
        Self { digest: Digest::from_bytes(Sha256::digest(&bytes).into()), bytes, packing }
    }

    pub fn media_type(&self) -> &'static str {
        match self.packing {
            Packing::Zstd => "application/zstd",
            Packing::Gzip => "application/gzip",
        }
    }

    /// The header that announces it.
    pub fn content_digest(&self) -> String {
        content_digest(&self.digest)
    }
}

fn walk(root: &Path, directory: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    entries.sort();
    for path in entries {
        into.push(path.strip_prefix(root)?.to_owned());
        if path.symlink_metadata()?.is_dir() {
            walk(root, &path, into)?;
        }
    }
    Ok(())
}
