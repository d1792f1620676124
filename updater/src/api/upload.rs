//! Passes an archive on, from the body of a request to the transaction that takes it.
//!
//! It must never end without a word: an end that was not seen is an interruption.

use std::io;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use tokio::sync::mpsc;

use crate::api::announced::Announced;
use crate::api::body_deadline::BodyDeadline;
use crate::api::parts::{FormParts, Part, Parts, Sent};
use crate::transaction::{Archive, ArchiveMessage, Declared};

/// Messages that wait between the network and the disk.
const MESSAGES: usize = 4;

/// The sending end of an archive. Where it is dropped, the transaction hears that the sender is gone.
pub(super) struct Upload {
    sender: mpsc::Sender<ArchiveMessage>,
    deadline: BodyDeadline,
}

impl Upload {
    /// Both ends of an archive that is about to be sent.
    pub(super) fn new(
        announced: Announced,
        length: Option<u64>,
        alone: bool,
        deadline: BodyDeadline,
    ) -> (Self, Archive) {
        let Announced { declared, presented, .. } = announced;
        let (sender, messages) = mpsc::channel(MESSAGES);
        let archive = Archive { messages, declared, length, alone, presented };
        (Self { sender, deadline }, archive)
    }

    /// Sends the archive on, in a task of its own.
    pub(super) async fn send(self, sent: Sent) {
        match sent {
            Sent::Alone(body) => self.body(body).await,
            Sent::Form(parts) => drop(tokio::spawn(self.form(*parts))),
        }
    }

    /// Returns when the first chunk has come, so that the caller of the API has been told to send
    /// (`100 Continue`) before it gets the head of an answer.
    async fn body(self, body: Body) {
        let mut chunks = body.into_data_stream().map_err(io::Error::other);
        let first = self.next(&mut chunks).await;
        tokio::spawn(async move {
            let passed = self.pass(first, chunks).await;
            self.end(passed.map(|()| Declared::default())).await;
        });
    }

    async fn form(self, parts: Parts) {
        let (mut tarball, form) = parts.split();
        let first = self.next(&mut tarball).await;
        let declared = match self.pass(first, tarball).await {
            Ok(()) => self.said_after(form).await,
            Err(error) => Err(error),
        };
        self.end(declared).await;
    }

    /// Passes on a chunk and all that follow.
    async fn pass(
        &self,
        mut next: io::Result<Option<Bytes>>,
        mut chunks: impl Stream<Item = io::Result<Bytes>> + Unpin,
    ) -> io::Result<()> {
        while let Some(chunk) = next? {
            let passed = self.sender.send(ArchiveMessage::Chunk(chunk)).await;
            passed.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            next = self.next(&mut chunks).await;
        }
        Ok(())
    }

    /// What a form says after its archive. Whether it is to be taken had to be said before.
    async fn said_after(&self, mut form: FormParts) -> io::Result<Declared> {
        let mut declared = Declared::default();
        while let Some(part) = form.next_part().await? {
            match part {
                Part::Label(label) => declared.label = label,
                Part::Digest(digest) => declared.digest = Some(digest),
                Part::ConfirmSelf(_) | Part::Manifest(_) | Part::Signature(_) => {}
            }
        }
        Ok(declared)
    }

    /// Waits until there is room for the last message.
    async fn end(self, declared: io::Result<Declared>) {
        let message = declared.map_or_else(ArchiveMessage::Failed, ArchiveMessage::End);
        // A transaction that has stopped to listen has a reason of its own.
        let _ = self.sender.send(message).await;
    }

    async fn next(
        &self,
        chunks: &mut (impl Stream<Item = io::Result<Bytes>> + Unpin),
    ) -> io::Result<Option<Bytes>> {
        self.deadline.wait(chunks.next()).await?.transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, header::CONTENT_TYPE};

    use super::*;
    use crate::config::LimitsConfig;

    const BODY: &str = "--x\r\ncontent-disposition: form-data; name=\"sha\"\r\n\r\nabc1234\r\n\
        --x\r\ncontent-disposition: form-data; name=\"tarball\"; filename=\"a.tar\"\r\n\r\nBYTES\r\n\
        --x\r\ncontent-disposition: form-data; name=\"sha256\"\r\n\r\nDIGEST\r\n--x--\r\n";

    fn deadline() -> BodyDeadline {
        BodyDeadline::begin(&LimitsConfig::default())
    }

    fn headers(kind: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, http::HeaderValue::from_static(kind))])
    }

    /// What a transaction hears: bytes, and then an end, an error, or nothing more.
    async fn everything(archive: &mut Archive) -> (Vec<u8>, Option<ArchiveMessage>) {
        let mut bytes = Vec::new();
        while let Some(message) = archive.messages.recv().await {
            match message {
                ArchiveMessage::Chunk(chunk) => bytes.extend_from_slice(&chunk),
                last => return (bytes, Some(last)),
            }
        }
        (bytes, None)
    }

    fn error(last: Option<ArchiveMessage>) -> String {
        match last {
            Some(ArchiveMessage::Failed(error)) => error.to_string(),
            other => panic!("no error: {other:?}"),
        }
    }

    async fn taken_apart(body: &str) -> (Vec<u8>, Option<ArchiveMessage>) {
        let headers = headers("multipart/form-data; boundary=x");
        let (deadline, body) = (deadline(), Body::from(body.to_owned()));
        let mut announced = Announced::default();
        let parts = Parts::open(&headers, body, &mut announced, deadline).await.unwrap();
        let (upload, mut archive) = Upload::new(announced, None, false, deadline);
        upload.send(Sent::Form(Box::new(parts))).await;
        let (bytes, last) = everything(&mut archive).await;
        assert_eq!(archive.declared.label.as_deref(), Some("abc1234"));
        (bytes, last)
    }

    #[tokio::test]
    async fn a_digest_may_come_after_the_archive() {
        let hex = "ab".repeat(32);
        let (bytes, last) = taken_apart(&BODY.replace("DIGEST", &hex)).await;
        assert_eq!(bytes, b"BYTES");
        let Some(ArchiveMessage::End(later)) = last else { panic!("no end: {last:?}") };
        assert_eq!(later, Declared { digest: hex.parse().ok(), ..Declared::default() });
        assert!(later.digest.is_some());
    }

    #[tokio::test]
    async fn a_multipart_body_that_breaks_off_is_an_error_and_no_end() {
        let end = BODY.find("BYTES").unwrap() + 3;
        error(taken_apart(&BODY[..end]).await.1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_who_falls_silent_is_an_error() {
        let (upload, mut archive) = Upload::new(Announced::default(), None, true, deadline());
        let silence = futures_util::stream::pending::<Result<Bytes, io::Error>>();
        upload.send(Sent::Alone(Body::from_stream(silence))).await;
        assert!(error(everything(&mut archive).await.1).contains("silent"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_who_trickles_is_ended_at_the_deadline_of_the_whole() {
        let (upload, mut archive) = Upload::new(Announced::default(), None, true, deadline());
        let trickle = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Some((Ok::<_, io::Error>(Bytes::from_static(b"x")), ()))
        });
        upload.send(Sent::Alone(Body::from_stream(trickle))).await;
        let (bytes, last) = everything(&mut archive).await;
        assert!(error(last).contains("limits.receive_timeout"));
        // A byte in 20 s, for an hour.
        assert!((175..=180).contains(&bytes.len()), "{}", bytes.len());
    }

    #[tokio::test]
    async fn a_sender_who_leaves_while_the_disk_is_slow_is_no_end() {
        let (upload, mut archive) = Upload::new(Announced::default(), None, true, deadline());
        // No message has been taken yet, and there is room for no more.
        for _ in 0..MESSAGES {
            upload.sender.try_send(ArchiveMessage::Chunk(Bytes::from_static(b"x"))).unwrap();
        }
        drop(upload);
        let (bytes, last) = everything(&mut archive).await;
        assert_eq!(bytes.len(), MESSAGES);
        assert!(last.is_none(), "{last:?}");
    }

    #[tokio::test]
    async fn the_last_message_waits_until_there_is_room() {
        let (upload, mut archive) = Upload::new(Announced::default(), None, true, deadline());
        let chunks = (0..3 * MESSAGES).map(|_| Ok::<_, io::Error>(Bytes::from_static(b"x")));
        let breaks = [Err(io::Error::other("the line is cut"))];
        let stream = futures_util::stream::iter(chunks.chain(breaks));
        upload.send(Sent::Alone(Body::from_stream(stream))).await;
        let (bytes, last) = everything(&mut archive).await;
        assert_eq!(bytes.len(), 3 * MESSAGES);
        assert!(error(last).contains("the line is cut"));
    }
}
