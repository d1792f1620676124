//! What can go wrong with a manifest and its signature.

use std::io;
use std::path::PathBuf;

use explain::{Exit, Explain, FailureCode};
use minisign::PError;
use pki::FileError;
use protocol::SignedManifestError;

use crate::pack::PackError;

/// Why there is no signed manifest.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// A file could not be read.
    #[error("read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A file could not be written.
    #[error("write {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    /// It is no archive.
    #[error("describe the archive")]
    Pack(#[source] Box<PackError>),
    /// No updater would take the archive.
    #[error("describe {}: {reason}", .path.display())]
    Refused {
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key, or its password, cannot be read, or others can read it too.
    #[error("read the release key")]
    Secret(#[source] FileError),
    /// A key, or a password, that is no text.
    #[error("read {}: it is no text", .0.display())]
    NoText(PathBuf),
    /// It is no minisign key.
    #[error("use {} as a key: it is none of minisign's", .0.display())]
    NoKey(PathBuf),
    /// There is no terminal on which to ask for the password.
    #[error("ask for the key's password")]
    NoPassword(#[source] io::Error),
    /// The key is damaged, or the password does not open it.
    #[error("use the key {}", .path.display())]
    Key { path: PathBuf, source: PError },
    /// The key does not sign.
    #[error("sign the manifest")]
    Sign(#[source] PError),
    /// A file that is far longer than what it should be.
    #[error("use {}: it is too long for a manifest or its signature", .0.display())]
    TooLong(PathBuf),
    /// It is no manifest.
    #[error("use {}", .path.display())]
    Manifest {
        path: PathBuf,
        /// What is wrong with it.
        source: SignedManifestError,
    },
    /// A manifest that was never signed.
    #[error("find the signature of {}: {} is not there", .manifest.display(), .signature.display())]
    NotSigned {
        manifest: PathBuf,
        /// Where its signature belongs.
        signature: PathBuf,
    },
    /// The manifest is of other bytes: the archive was made anew, mostly.
    #[error("send {} with {}: they do not belong together", .archive.display(), .manifest.display())]
    OtherArchive { archive: PathBuf, manifest: PathBuf },
}

impl Explain for SigningError {
    fn code(&self) -> FailureCode {
        FailureCode::BadSignature
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotSigned { manifest, .. } => {
                Some(format!("run: minisign -S -H -m {}", manifest.display()))
            }
            Self::NoPassword(_) => Some("name a file with it: --password-file FILE".to_owned()),
            Self::NoKey(_) => Some("minisign -G makes one".to_owned()),
            Self::OtherArchive { archive, .. } => Some(format!(
                "the archive has changed since; sign it again: swarm release sign {}",
                archive.display()
            )),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Pack(error) => error.exit(),
            Self::Write { .. } | Self::Sign(_) => Exit::Failed,
            _ => Exit::Usage,
        }
    }
}
