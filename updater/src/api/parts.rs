//! An archive in `multipart/form-data`. The parts before it are read before the order begins, since
//! they may decide whether it does; those after it when it has come.

use std::io;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use http::{HeaderMap, header::CONTENT_TYPE};
use multer::{Field, Multipart};
use protocol::Digest;

use crate::api::ApiError;
use crate::api::announced::Announced;
use crate::api::body_deadline::BodyDeadline;

/// Bytes of a part that is not the archive.
const PART_BYTES: usize = 4096;

/// Characters of a sender's label.
const LABEL_CHARACTERS: usize = 128;

/// Why a label is none.
#[derive(Debug, thiserror::Error)]
#[error("the label sha has {0} characters; {LABEL_CHARACTERS} is the most")]
pub(super) struct LabelError(usize);

/// Checks the label's length.
pub(super) fn label(text: String) -> Result<String, LabelError> {
    match text.chars().count() {
        count if count > LABEL_CHARACTERS => Err(LabelError(count)),
        _ => Ok(text),
    }
}

/// How an archive is sent.
pub(super) enum Sent {
    /// The body is the archive.
    Alone(Body),
    /// It is a part of the body.
    Form(Box<Parts>),
}

/// A form that has been read up to its archive.
pub(super) struct Parts {
    form: Multipart<'static>,
    tarball: Field<'static>,
}

/// A part that is not the archive.
pub(super) enum Part {
    /// `sha`
    Label(String),
    /// `sha256`
    Digest(Digest),
    /// `confirm_self`
    ConfirmSelf(bool),
    /// `manifest`
    Manifest(Vec<u8>),
    /// `signature`
    Signature(Vec<u8>),
    /// Something that means nothing here.
    Other,
}

impl Sent {
    /// Whether the body is the archive and nothing else.
    pub(super) const fn is_alone(&self) -> bool {
        matches!(self, Self::Alone(_))
    }
}

impl Parts {
    /// Reads a form up to its archive. What the request said before it counts.
    pub(super) async fn open(
        headers: &HeaderMap,
        body: Body,
        announced: &mut Announced,
        deadline: BodyDeadline,
    ) -> Result<Self, ApiError> {
        let broken = |error: io::Error| ApiError::bad_request(format!("multipart: {error}"));
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let boundary =
            multer::parse_boundary(kind).map_err(|error| broken(io::Error::other(error)))?;
        let mut form = Multipart::new(body.into_data_stream(), boundary);
        loop {
            let next = within(deadline, form.next_field()).await.map_err(broken)?;
            let Some(field) = next else {
                return Err(ApiError::bad_request("the form has no part tarball"));
            };
            if field.name() == Some("tarball") {
                return Ok(Self { form, tarball: field });
            }
            match read(field, deadline).await.map_err(broken)? {
                Part::Label(label) => drop(announced.declared.label.get_or_insert(label)),
                Part::Digest(digest) => _ = announced.declared.digest.get_or_insert(digest),
                Part::ConfirmSelf(meant) => announced.declared.confirm_self |= meant,
                Part::Manifest(file) => announced.presented.manifest = Some(file),
                Part::Signature(file) => announced.presented.signature = Some(file),
                Part::Other => {}
            }
        }
    }

    /// The archive, and what comes after it.
    pub(super) fn split(
        self,
    ) -> (impl Stream<Item = io::Result<Bytes>> + Unpin, Multipart<'static>) {
        (self.tarball.map_err(io::Error::other), self.form)
    }
}

/// The next part after the archive.
pub(super) async fn next_part(
    form: &mut Multipart<'static>,
    deadline: BodyDeadline,
) -> io::Result<Option<Part>> {
    match within(deadline, form.next_field()).await? {
        Some(field) if field.name() == Some("tarball") => {
            Err(io::Error::other("the form has a second part tarball"))
        }
        Some(field) => read(field, deadline).await.map(Some),
        None => Ok(None),
    }
}

async fn read(mut field: Field<'static>, deadline: BodyDeadline) -> io::Result<Part> {
    let mut bytes = Vec::new();
    while let Some(chunk) = within(deadline, field.chunk()).await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > PART_BYTES {
            return Err(io::Error::other("a part of the form is too long"));
        }
    }
    let word = |bytes| -> io::Result<String> {
        String::from_utf8(bytes).map(|text| text.trim().to_owned()).map_err(io::Error::other)
    };
    Ok(match field.name() {
        Some("sha") => Part::Label(label(word(bytes)?).map_err(io::Error::other)?),
        Some("sha256") => Part::Digest(word(bytes)?.parse().map_err(io::Error::other)?),
        Some("confirm_self") => Part::ConfirmSelf(word(bytes)? == "true"),
        Some("manifest") => Part::Manifest(bytes),
        Some("signature") => Part::Signature(bytes),
        _ => Part::Other,
    })
}

async fn within<T>(
    deadline: BodyDeadline,
    next: impl Future<Output = Result<T, multer::Error>>,
) -> io::Result<T> {
    deadline.wait(next).await?.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LimitsConfig;

    fn deadline() -> BodyDeadline {
        BodyDeadline::begin(&LimitsConfig::default())
    }

    fn part(name: &str, content: &str) -> String {
        format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    }

    async fn open(parts: &[String]) -> (Result<Parts, ApiError>, Announced) {
        let kind = http::HeaderValue::from_static("multipart/form-data; boundary=x");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        let mut announced = Announced::default();
        let body = Body::from(format!("{}--x--\r\n", parts.concat()));
        let opened = Parts::open(&headers, body, &mut announced, deadline()).await;
        (opened, announced)
    }

    #[tokio::test]
    async fn what_stands_before_the_archive_is_known_before_it() {
        let parts = [
            part("manifest", "app = 'agent'\n"),
            part("signature", "signed"),
            part("tarball", "BYTES"),
            part("sha", "abc"),
        ];
        let (opened, announced) = open(&parts).await;
        assert_eq!(announced.presented.manifest.as_deref(), Some(&b"app = 'agent'\n"[..]));
        assert_eq!(announced.presented.signature.as_deref(), Some(&b"signed"[..]));
        assert_eq!(announced.declared.label, None);
        let (tarball, mut form) = opened.unwrap().split();
        let bytes: Vec<Bytes> = tarball.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"BYTES");
        let next = next_part(&mut form, deadline()).await.unwrap();
        assert!(matches!(next, Some(Part::Label(label)) if label == "abc"));
    }

    #[tokio::test]
    async fn a_form_without_an_archive_or_with_an_endless_part_is_refused() {
        assert!(open(&[part("sha", "abc")]).await.0.is_err());
        assert!(open(&[part("manifest", &"x".repeat(5000))]).await.0.is_err());
        assert!(open(&[part("sha", &"x".repeat(129)), part("tarball", "BYTES")]).await.0.is_err());
        assert!(open(&[part("sha256", "x"), part("tarball", "BYTES")]).await.0.is_err());
    }
}
