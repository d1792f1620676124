//! The body of an order: an archive as it is, or in `multipart/form-data`.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, header::CONTENT_LENGTH, header::CONTENT_TYPE};
use protocol::{Digest, header, parse_content_digest};
use tokio::sync::mpsc;

use crate::api::ApiError;
use crate::api::body_deadline::BodyDeadline;
use crate::api::parts::{Part, Parts, Sent, next_part};
use crate::transaction::Archive;
use crate::trust::UnverifiedManifest;

/// Chunks that wait between the network and the disk.
const CHUNKS: usize = 4;

/// What an order's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Archive,
    /// `multipart/form-data`.
    Multipart,
}

/// What the request says of an archive before its bytes.
#[derive(Debug, Default)]
pub(super) struct Announced {
    /// The digest that it must have.
    pub(super) digest: Option<Digest>,
    /// The sender's label for the release.
    pub(super) label: Option<String>,
    /// That the updater itself is meant.
    pub(super) confirm_self: bool,
    /// What vouches for it.
    pub(super) presented: UnverifiedManifest,
}

/// The sending end of an archive, and the archive that the transaction takes.
pub(super) struct Upload {
    sender: mpsc::Sender<io::Result<Bytes>>,
    digest: Arc<OnceLock<Digest>>,
    label: Arc<OnceLock<String>>,
    confirm_self: Arc<OnceLock<bool>>,
    patience: BodyDeadline,
    /// Whether the transaction was told of the end, or of what came instead.
    ended: AtomicBool,
}

impl Drop for Upload {
    /// A caller who leaves is an interruption, and not an archive that ends early.
    fn drop(&mut self) {
        if !self.ended.load(Ordering::Relaxed) {
            let gone = io::Error::new(io::ErrorKind::ConnectionAborted, "the sender went away");
            let _ = self.sender.try_send(Err(gone));
        }
    }
}

impl Form {
    /// Told from the media type.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let kind = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or(""));
        let kind = kind.map(|kind| kind.split(';').next().unwrap_or("").trim());
        match kind {
            None | Some("application/json") => Ok(Self::Json),
            Some("multipart/form-data") => Ok(Self::Multipart),
            Some("application/gzip" | "application/zstd" | "application/octet-stream") => {
                Ok(Self::Archive)
            }
            Some(other) => Err(ApiError::bad_request(format!(
                "the content type {other:?} is none of application/json, application/gzip, \
                 application/zstd, application/octet-stream and multipart/form-data"
            ))),
        }
    }
}

/// The digest that the request's header announces.
pub(super) fn announced(headers: &HeaderMap) -> Result<Option<Digest>, ApiError> {
    let Some(value) = headers.get(header::CONTENT_DIGEST) else { return Ok(None) };
    let value = value.to_str().unwrap_or("");
    let digest = parse_content_digest(value);
    digest.map(Some).map_err(|error| ApiError::bad_request(format!("failed to {error}")))
}

/// The manifest and the signature in the request's headers.
pub(super) fn presented(headers: &HeaderMap) -> Result<UnverifiedManifest, ApiError> {
    let file = |name| {
        let value = headers.get(name);
        value.map(|value| STANDARD.decode(value)).transpose().map_err(|error| {
            ApiError::bad_request(format!("the header {name} is not base64: {error}"))
        })
    };
    Ok(UnverifiedManifest {
        manifest: file(header::MANIFEST)?,
        signature: file(header::SIGNATURE)?,
    })
}

/// The length that the request's header announces.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Upload {
    /// Both ends of an archive that is about to be sent.
    pub(super) fn new(
        announced: Announced,
        length: Option<u64>,
        alone: bool,
        patience: BodyDeadline,
    ) -> (Self, Archive) {
        let Announced { digest, label, confirm_self, presented } = announced;
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let digest = Arc::new(digest.map_or_else(OnceLock::new, OnceLock::from));
        let label = Arc::new(label.map_or_else(OnceLock::new, OnceLock::from));
        let confirm_self =
            Arc::new(if confirm_self { OnceLock::from(true) } else { OnceLock::new() });
        let archive = Archive {
            chunks,
            digest: Arc::clone(&digest),
            label: Arc::clone(&label),
            confirm_self: Arc::clone(&confirm_self),
            length,
            alone,
            manifest: presented,
        };
        let ended = AtomicBool::new(false);
        (Self { sender, digest, label, confirm_self, patience, ended }, archive)
    }

    /// Sends the archive on, in a task of its own.
    pub(super) async fn send(self, sent: Sent) {
        match sent {
            Sent::Alone(body) => self.body(body).await,
            Sent::Form(parts) => drop(tokio::spawn(async move {
                if let Err(error) = self.form(*parts).await {
                    self.pass(Some(Err(error))).await;
                }
            })),
        }
    }

    /// Returns when the first chunk has come, so that the caller of the API has been told to send
    /// (`100 Continue`) before it gets the head of an answer.
    async fn body(self, body: Body) {
        let mut chunks = body.into_data_stream().map_err(io::Error::other);
        let first = self.next(&mut chunks).await;
        tokio::spawn(async move {
            if self.pass(first).await {
                self.rest(chunks).await;
            }
        });
    }

    async fn form(&self, parts: Parts) -> io::Result<()> {
        let (tarball, mut form) = parts.split();
        self.rest(tarball).await;
        while let Some(part) = next_part(&mut form, self.patience).await? {
            match part {
                Part::Label(label) => drop(self.label.set(label)),
                Part::Digest(digest) => drop(self.digest.set(digest)),
                Part::ConfirmSelf(meant) => drop(self.confirm_self.set(meant)),
                Part::Manifest(_) | Part::Signature(_) | Part::Other => {}
            }
        }
        Ok(())
    }

    async fn rest(&self, mut chunks: impl Stream<Item = io::Result<Bytes>> + Unpin) {
        loop {
            let chunk = self.next(&mut chunks).await;
            if !self.pass(chunk).await {
                return;
            }
        }
    }

    /// False at the end, after an error, and when the transaction has stopped to listen.
    async fn pass(&self, chunk: Option<io::Result<Bytes>>) -> bool {
        let Some(chunk) = chunk else {
            self.ended.store(true, Ordering::Relaxed);
            return false;
        };
        let fine = chunk.is_ok();
        self.ended.store(!fine, Ordering::Relaxed);
        self.sender.send(chunk).await.is_ok() && fine
    }

    async fn next(
        &self,
        chunks: &mut (impl Stream<Item = io::Result<Bytes>> + Unpin),
    ) -> Option<io::Result<Bytes>> {
        self.patience.wait(chunks.next()).await.unwrap_or_else(|late| Some(Err(late)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::LimitsConfig;

    const BODY: &str = "--x\r\ncontent-disposition: form-data; name=\"sha\"\r\n\r\nabc1234\r\n\
        --x\r\ncontent-disposition: form-data; name=\"tarball\"; filename=\"a.tar\"\r\n\r\nBYTES\r\n\
        --x\r\ncontent-disposition: form-data; name=\"sha256\"\r\n\r\nDIGEST\r\n--x--\r\n";

    fn patience() -> BodyDeadline {
        BodyDeadline::begin(&LimitsConfig::default())
    }

    fn headers(kind: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, http::HeaderValue::from_static(kind))])
    }

    async fn everything(mut archive: Archive) -> (Vec<u8>, Option<String>, Archive) {
        let (mut bytes, mut error) = (Vec::new(), None);
        while let Some(chunk) = archive.chunks.recv().await {
            match chunk {
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(failure) => error = Some(failure.to_string()),
            }
        }
        (bytes, error, archive)
    }

    async fn taken_apart(body: &str) -> (Vec<u8>, Option<String>, Archive) {
        let headers = headers("multipart/form-data; boundary=x");
        let (patience, body) = (patience(), Body::from(body.to_owned()));
        let mut announced = Announced::default();
        let parts = Parts::open(&headers, body, &mut announced, patience).await.unwrap();
        let (upload, archive) = Upload::new(announced, None, false, patience);
        upload.send(Sent::Form(Box::new(parts))).await;
        everything(archive).await
    }

    #[tokio::test]
    async fn a_digest_may_come_after_the_archive() {
        let hex = "ab".repeat(32);
        let (bytes, error, archive) = taken_apart(&BODY.replace("DIGEST", &hex)).await;
        assert_eq!((bytes.as_slice(), error), (b"BYTES".as_slice(), None));
        assert_eq!(archive.digest.get().unwrap().hex(), hex);
        assert_eq!(archive.label.get().unwrap(), "abc1234");
    }

    #[tokio::test]
    async fn a_multipart_body_that_breaks_off_is_an_error_and_no_end() {
        let end = BODY.find("BYTES").unwrap() + 3;
        assert!(taken_apart(&BODY[..end]).await.1.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_who_falls_silent_is_an_error() {
        let (upload, archive) = Upload::new(Announced::default(), None, true, patience());
        let silence = futures_util::stream::pending::<Result<Bytes, io::Error>>();
        upload.send(Sent::Alone(Body::from_stream(silence))).await;
        let (_, error, _) = everything(archive).await;
        assert!(error.unwrap().contains("silent"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_who_trickles_is_ended_at_the_deadline_of_the_whole() {
        let (upload, archive) = Upload::new(Announced::default(), None, true, patience());
        let trickle = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Some((Ok::<_, io::Error>(Bytes::from_static(b"x")), ()))
        });
        upload.send(Sent::Alone(Body::from_stream(trickle))).await;
        let (bytes, error, _) = everything(archive).await;
        assert!(error.unwrap().contains("limits.receive_timeout"));
        // A byte in 20 s, for an hour.
        assert!((175..=180).contains(&bytes.len()), "{}", bytes.len());
    }

    #[test]
    fn a_form_is_told_from_its_media_type() {
        assert_eq!(Form::of(&HeaderMap::new()).unwrap(), Form::Json);
        assert_eq!(Form::of(&headers("application/zstd")).unwrap(), Form::Archive);
        let multipart = headers("multipart/form-data; boundary=x");
        assert_eq!(Form::of(&multipart).unwrap(), Form::Multipart);
        assert!(Form::of(&headers("text/html")).is_err());
    }
}
