//! An archive on its way from the network to the transaction that takes it.
//!
//! Its end is a message of its own. A channel that closes without one means that the sender is gone:
//! what has come by then must never be taken for the whole.

use std::io;

use bytes::Bytes;
use protocol::Digest;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::transaction::StopSignal;
use crate::trust::{UnverifiedManifest, VerifiedManifest};

/// An archive that is being sent.
#[derive(Debug)]
pub struct Archive {
    pub messages: mpsc::Receiver<ArchiveMessage>,
    /// What was said of it before its bytes.
    pub declared: Declared,
    /// How long the body is that it comes in, where the sender said.
    pub length: Option<u64>,
    /// Whether that body is the archive and nothing else.
    pub alone: bool,
    /// The manifest and the signature that came with it.
    pub presented: UnverifiedManifest,
}

/// What comes from the sender: any number of chunks, and then one of the two others.
#[derive(Debug)]
pub enum ArchiveMessage {
    Chunk(Bytes),
    /// The archive is whole. In a form, more may have been said of it after its bytes.
    End(Declared),
    Failed(io::Error),
}

/// What a sender says of an archive, before its bytes or after them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// The digest that it must have.
    pub digest: Option<Digest>,
    /// The sender's label for the release.
    pub label: Option<String>,
}

/// Two things that were said of one archive, of which one cannot be so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContradictionError {
    #[error("two digests are announced, {0} and {1}")]
    Digests(Digest, Digest),
    #[error("two labels are given, {0:?} and {1:?}")]
    Labels(String, String),
}

impl Archive {
    /// The digest that it must have, as far as that is known before its end. In a form, the manifest
    /// alone may say it.
    pub(super) fn digest(&self, signed: Option<&VerifiedManifest>) -> Option<Digest> {
        self.declared.digest.or_else(|| signed.map(|signed| signed.manifest.digest))
    }

    /// Its bytes up to its end, or up to when the transaction is asked to stop. What is said after
    /// them is in `declared` then, as far as it was not said before.
    pub(super) fn chunks(
        &mut self,
        stop: &StopSignal,
        handle: &Handle,
    ) -> impl Iterator<Item = io::Result<Bytes>> {
        std::iter::from_fn(move || match stop.or(handle, self.messages.recv()) {
            Ok(message) => self.chunk(message),
            Err(_) => Some(Err(io::ErrorKind::Interrupted.into())),
        })
    }

    fn chunk(&mut self, message: Option<ArchiveMessage>) -> Option<io::Result<Bytes>> {
        match message {
            Some(ArchiveMessage::Chunk(chunk)) => Some(Ok(chunk)),
            Some(ArchiveMessage::Failed(error)) => Some(Err(error)),
            Some(ArchiveMessage::End(later)) => {
                let added = self.declared.add(later);
                added.err().map(|error| Err(io::Error::new(io::ErrorKind::InvalidInput, error)))
            }
            None => {
                let gone = "the sender went away";
                Some(Err(io::Error::new(io::ErrorKind::ConnectionAborted, gone)))
            }
        }
    }
}

impl Declared {
    /// Takes the digest that it must have.
    pub fn say_digest(&mut self, digest: Digest) -> Result<(), ContradictionError> {
        match self.digest.replace(digest) {
            Some(before) if before != digest => Err(ContradictionError::Digests(before, digest)),
            _ => Ok(()),
        }
    }

    /// Takes the sender's label, if it is one.
    pub fn say_label(&mut self, label: Option<String>) -> Result<(), ContradictionError> {
        let Some(label) = label else { return Ok(()) };
        match self.label.replace(label.clone()) {
            Some(before) if before != label => Err(ContradictionError::Labels(before, label)),
            _ => Ok(()),
        }
    }

    /// Takes what was said later.
    fn add(&mut self, later: Self) -> Result<(), ContradictionError> {
        later.digest.map_or(Ok(()), |digest| self.say_digest(digest))?;
        self.say_label(later.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(declared: Declared) -> Archive {
        let (_, messages) = mpsc::channel(1);
        Archive {
            messages,
            declared,
            length: None,
            alone: false,
            presented: UnverifiedManifest::default(),
        }
    }

    #[test]
    fn a_channel_that_closes_without_an_end_is_an_interruption() {
        let mut archive = archive(Declared::default());
        let chunk = archive.chunk(Some(ArchiveMessage::Chunk(Bytes::from_static(b"x"))));
        assert_eq!(chunk.unwrap().unwrap(), "x");
        let error = archive.chunk(None).unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        assert!(archive.chunk(Some(ArchiveMessage::End(Declared::default()))).is_none());
    }

    #[test]
    fn what_was_said_twice_of_an_archive_must_be_the_same() {
        let label = |text: &str| Some(text.to_owned());
        let digest = Some(Digest::from_bytes([1; 32]));
        let later = |text| Declared { digest, label: label(text) };
        let mut same = archive(Declared { label: label("one"), ..Declared::default() });
        assert!(same.chunk(Some(ArchiveMessage::End(later("one")))).is_none());
        assert_eq!(same.declared, later("one"));
        let mut other = archive(Declared { label: label("one"), ..Declared::default() });
        assert!(other.chunk(Some(ArchiveMessage::End(later("two")))).unwrap().is_err());
    }
}
