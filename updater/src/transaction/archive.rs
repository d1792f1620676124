//! An archive on its way from the network to the transaction that takes it.
//!
//! Its end is a message of its own. A channel that closes without one means that the sender is gone:
//! what has come by then must never be taken for the whole.

use std::io;

use bytes::Bytes;
use protocol::Digest;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::transaction::stop::Stop;
use crate::trust::{Accepted, Presented};

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
    /// What came with it.
    pub presented: Presented,
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
    /// That the updater itself is meant.
    pub confirm_self: bool,
}

impl Archive {
    /// The digest that it must have, as far as that is known before its end. In a form, the manifest
    /// alone may say it.
    pub(super) fn digest(&self, accepted: Option<&Accepted>) -> Option<Digest> {
        self.declared.digest.or_else(|| accepted.map(|accepted| accepted.manifest.digest))
    }

    /// Its bytes up to its end, or up to when the transaction is asked to stop. What is said after
    /// them is in `declared` then, as far as it was not said before.
    pub(super) fn chunks(
        &mut self,
        stop: &Stop,
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
                self.declared.add(later);
                None
            }
            None => {
                let gone = "the sender went away";
                Some(Err(io::Error::new(io::ErrorKind::ConnectionAborted, gone)))
            }
        }
    }
}

impl Declared {
    /// Adds what was said later. The first word counts.
    pub fn add(&mut self, later: Self) {
        self.digest = self.digest.or(later.digest);
        self.label = self.label.take().or(later.label);
        self.confirm_self |= later.confirm_self;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(declared: Declared) -> Archive {
        let (_, messages) = mpsc::channel(1);
        Archive { messages, declared, length: None, alone: false, presented: Presented::default() }
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
    fn what_was_said_first_of_an_archive_counts() {
        let label = |text: &str| Some(text.to_owned());
        let mut archive = archive(Declared { label: label("one"), ..Declared::default() });
        let digest = Some(Digest::from_bytes([1; 32]));
        let later = Declared { digest, label: label("two"), confirm_self: true };
        assert!(archive.chunk(Some(ArchiveMessage::End(later))).is_none());
        let expected = Declared { digest, label: label("one"), confirm_self: true };
        assert_eq!(archive.declared, expected);
    }
}
