//! The body of an order: an archive as it is, or in `multipart/form-data`.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, header::CONTENT_LENGTH, header::CONTENT_TYPE};
use multer::{Field, Multipart};
use protocol::{Digest, header, parse_content_digest};
use tokio::sync::mpsc;

use crate::api::ApiError;
use crate::transaction::Archive;

/// Chunks that wait between the network and the disk.
const CHUNKS: usize = 4;
/// Bytes of a multipart field that is not the archive.
const FIELD_BYTES: usize = 4096;

/// What an order's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// JSON, or nothing.
    Json,
    /// The archive itself.
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
}

/// The sending end of an archive, and the archive that the transaction takes.
pub(super) struct Upload {
    sender: mpsc::Sender<io::Result<Bytes>>,
    digest: Arc<OnceLock<Digest>>,
    label: Arc<OnceLock<String>>,
    confirm_self: Arc<OnceLock<bool>>,
    timeout: Duration,
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

/// The length that the request's header announces.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Upload {
    /// Both ends of an archive that is about to be sent.
    pub(super) fn new(
        announced: Announced,
        length: Option<u64>,
        timeout: Duration,
    ) -> (Self, Archive) {
        let Announced { digest, label, confirm_self } = announced;
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
        };
        let ended = AtomicBool::new(false);
        (Self { sender, digest, label, confirm_self, timeout, ended }, archive)
    }

    /// Sends a plain body on. Returns when its first chunk has come, so that the caller of the
    /// API has been told to send (`100 Continue`) before it gets the head of an answer.
    pub(super) async fn body(self, body: Body) {
        let mut chunks = body.into_data_stream().map_err(io::Error::other);
        let first = self.next(&mut chunks).await;
        tokio::spawn(async move {
            if self.pass(first).await {
                self.rest(chunks).await;
            }
        });
    }

    /// Takes the fields of a multipart body apart. The digest and the label may come after the
    /// archive.
    pub(super) fn multipart(self, headers: &HeaderMap, body: Body) -> Result<(), ApiError> {
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let boundary = multer::parse_boundary(kind)
            .map_err(|error| ApiError::bad_request(format!("multipart: {error}")))?;
        let multipart = Multipart::new(body.into_data_stream(), boundary);
        tokio::spawn(async move {
            if let Err(error) = self.fields(multipart).await {
                self.pass(Some(Err(error))).await;
            }
        });
        Ok(())
    }

    async fn fields(&self, mut multipart: Multipart<'static>) -> io::Result<()> {
        while let Some(field) = self.patiently(multipart.next_field()).await? {
            match field.name() {
                Some("tarball") => self.rest(field.map_err(io::Error::other)).await,
                Some("sha") => drop(self.label.set(self.text(field).await?)),
                Some("sha256") => {
                    let digest = self.text(field).await?.parse().map_err(io::Error::other)?;
                    let _ = self.digest.set(digest);
                }
                Some("confirm_self") => {
                    let _ = self.confirm_self.set(self.text(field).await? == "true");
                }
                _ => drop(self.text(field).await?),
            }
        }
        Ok(())
    }

    async fn text(&self, mut field: Field<'static>) -> io::Result<String> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.patiently(field.chunk()).await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > FIELD_BYTES {
                return Err(io::Error::other("a multipart field is too long"));
            }
        }
        String::from_utf8(bytes).map(|text| text.trim().to_owned()).map_err(io::Error::other)
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
        let silence = || io::Error::new(io::ErrorKind::TimedOut, "the sender fell silent");
        match tokio::time::timeout(self.timeout, chunks.next()).await {
            Ok(chunk) => chunk,
            Err(_) => Some(Err(silence())),
        }
    }

    async fn patiently<T>(
        &self,
        next: impl Future<Output = Result<T, multer::Error>>,
    ) -> io::Result<T> {
        match tokio::time::timeout(self.timeout, next).await {
            Ok(found) => found.map_err(io::Error::other),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the sender fell silent")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "--x\r\ncontent-disposition: form-data; name=\"sha\"\r\n\r\nabc1234\r\n\
        --x\r\ncontent-disposition: form-data; name=\"tarball\"; filename=\"a.tar\"\r\n\r\nBYTES\r\n\
        --x\r\ncontent-disposition: form-data; name=\"sha256\"\r\n\r\nDIGEST\r\n--x--\r\n";

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

    #[tokio::test]
    async fn a_digest_may_come_after_the_archive() {
        let hex = "ab".repeat(32);
        let kind = "multipart/form-data; boundary=x";
        let timeout = Duration::from_secs(30);
        let (upload, archive) = Upload::new(Announced::default(), None, timeout);
        upload.multipart(&headers(kind), Body::from(BODY.replace("DIGEST", &hex))).unwrap();
        let (bytes, error, archive) = everything(archive).await;
        assert_eq!((bytes.as_slice(), error), (b"BYTES".as_slice(), None));
        assert_eq!(archive.digest.get().unwrap().hex(), hex);
        assert_eq!(archive.label.get().unwrap(), "abc1234");
    }

    #[tokio::test]
    async fn a_multipart_body_that_breaks_off_is_an_error_and_no_end() {
        let (upload, archive) = Upload::new(Announced::default(), None, Duration::from_secs(30));
        let kind = "multipart/form-data; boundary=x";
        upload.multipart(&headers(kind), Body::from(&BODY[..150])).unwrap();
        let (_, error, _) = everything(archive).await;
        assert!(error.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_who_falls_silent_is_an_error() {
        let (upload, archive) = Upload::new(Announced::default(), None, Duration::from_secs(30));
        let silence = futures_util::stream::pending::<Result<Bytes, io::Error>>();
        upload.body(Body::from_stream(silence)).await;
        let (_, error, _) = everything(archive).await;
        assert!(error.unwrap().contains("silent"));
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
