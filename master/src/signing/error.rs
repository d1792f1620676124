//! What can go wrong with a manifest and its signature.

use std::io;
use std::path::PathBuf;

use protocol::SignedManifestError;

use crate::output::{Exit, Explain};

/// Why there is no signed manifest.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// A file could not be read.
    #[error("read {}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is far longer than what it should be.
    #[error("use {}: it is too long for a manifest or its signature", .0.display())]
    TooLong(PathBuf),
    /// It is no manifest.
    #[error("use {}", .path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SignedManifestError,
    },
    /// A manifest that was never signed.
    #[error("find the signature of {}: {} is not there", .manifest.display(), .signature.display())]
    NotSigned {
        /// The manifest.
        manifest: PathBuf,
        /// Where its signature belongs.
        signature: PathBuf,
    },
    /// The manifest is of other bytes: the archive was made anew, mostly.
    #[error("send {} with {}: they do not belong together", .archive.display(), .manifest.display())]
    OtherArchive {
        /// The archive.
        archive: PathBuf,
        /// The manifest.
        manifest: PathBuf,
    },
}

impl Explain for SigningError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotSigned { manifest, .. } => {
                Some(format!("run: minisign -S -H -m {}", manifest.display()))
            }
            Self::OtherArchive { archive, .. } => Some(format!(
                "the archive has changed since; sign it again: swarm release sign {}",
                archive.display()
            )),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}
