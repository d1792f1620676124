//! An order as it comes to an app: what is asked for, and the archive that may come with it.

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use protocol::{Digest, Kind, OrderOptions};
use tokio::sync::mpsc;

use crate::trust::UnverifiedManifest;

/// What is asked for.
#[derive(Debug)]
pub struct Order {
    /// Stage, update or roll back.
    pub kind: Kind,
    pub target: Target,
    pub options: OrderOptions,
    /// `master`, or `local`.
    pub caller: String,
    /// The number of the connection that it came on.
    pub connection: u64,
    pub epoch: Option<u64>,
    /// The caller's name for the order.
    pub order: Option<String>,
}

/// Which release an order means.
#[derive(Debug)]
pub enum Target {
    /// One that is on the disk.
    Digest(Digest),
    /// The one that `prev` names.
    Previous,
    /// One that is being sent.
    Archive(Archive),
}

/// An archive that is being sent.
#[derive(Debug)]
pub struct Archive {
    /// Its bytes. A sender that goes away ends them with an error.
    pub chunks: mpsc::Receiver<io::Result<Bytes>>,
    /// The digest that it must have. In multipart it may come after the bytes.
    pub digest: Arc<OnceLock<Digest>>,
    /// The sender's label for the release.
    pub label: Arc<OnceLock<String>>,
    /// That the updater itself is meant; in multipart it may come after the bytes.
    pub confirm_self: Arc<OnceLock<bool>>,
    /// How long the body is that it comes in, where the sender said.
    pub length: Option<u64>,
    /// Whether that body is the archive and nothing else.
    pub alone: bool,
    /// The manifest and the signature that came with it.
    pub manifest: UnverifiedManifest,
}

impl Target {
    /// The digest of the release, where the order says it before anything was received.
    pub(super) fn named(&self) -> Option<Digest> {
        match self {
            Self::Digest(digest) => Some(*digest),
            Self::Archive(archive) => archive.digest.get().copied(),
            Self::Previous => None,
        }
    }
}
