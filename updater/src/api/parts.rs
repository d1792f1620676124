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
use crate::api::form_stream::{FormStream, HEAD_BYTES, HeadGate};
use crate::api::headers::only;
use crate::api::label::label;

/// Bytes of a part that is not the archive.
const PART_BYTES: usize = 4096;

/// The parts that a form may have.
const NAMES: [&str; 6] = ["tarball", "sha", "sha256", "confirm_self", "manifest", "signature"];

/// How an archive is sent.
pub(super) enum Sent {
    /// The body is the archive.
    Alone(Body),
    /// It is a part of the body.
    Form(Box<Parts>),
}

/// A form that has been read up to its archive.
pub(super) struct Parts {
    form: FormParts,
    tarball: Field<'static>,
}

/// The parts of a form, one after the other.
pub(super) struct FormParts {
    form: Multipart<'static>,
    gate: HeadGate,
    deadline: BodyDeadline,
    /// The names of those that have come: none may come twice.
    seen: Vec<String>,
}

/// A part that is not the archive.
pub(super) enum Part {
    /// `sha`
    Label(Option<String>),
    /// `sha256`
    Digest(Digest),
    /// `confirm_self`
    ConfirmSelf(bool),
    /// `manifest`
    Manifest(Vec<u8>),
    /// `signature`
    Signature(Vec<u8>),
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
        let kind = only(headers, CONTENT_TYPE.as_str())?.unwrap_or("");
        let boundary =
            multer::parse_boundary(kind).map_err(|error| broken(io::Error::other(error)))?;
        let mut form = FormParts::new(body, boundary, deadline);
        loop {
            let Some(field) = form.next().await.map_err(broken)? else {
                return Err(ApiError::bad_request("the form has no part tarball"));
            };
            if field.name() == Some("tarball") {
                return Ok(Self { form, tarball: field });
            }
            match read(field, deadline).await.map_err(broken)? {
                Part::Label(label) => announced.declared.say_label(label)?,
                Part::Digest(digest) => announced.declared.say_digest(digest)?,
                Part::ConfirmSelf(meant) => announced.confirm_self |= meant,
                Part::Manifest(file) => announced.presented.manifest = Some(file),
                Part::Signature(file) => announced.presented.signature = Some(file),
            }
        }
    }

    /// The archive, and what comes after it.
    pub(super) fn split(self) -> (impl Stream<Item = io::Result<Bytes>> + Unpin, FormParts) {
        (self.tarball.map_err(told), self.form)
    }
}

impl FormParts {
    fn new(body: Body, boundary: String, deadline: BodyDeadline) -> Self {
        let gate = HeadGate::new();
        let stream = FormStream::new(body.into_data_stream(), gate.clone());
        Self { form: Multipart::new(stream, boundary), gate, deadline, seen: Vec::new() }
    }

    /// The next part after the archive.
    pub(super) async fn next_part(&mut self) -> io::Result<Option<Part>> {
        match self.next().await? {
            Some(field) => read(field, self.deadline).await.map(Some),
            None => Ok(None),
        }
    }

    /// The next part. All before it has been read.
    async fn next(&mut self) -> io::Result<Option<Field<'static>>> {
        self.gate.head_begins();
        let Some(field) = within(self.deadline, self.form.next_field()).await? else {
            return Ok(None);
        };
        self.gate.head_ended();
        let head = field.headers().iter();
        let head: usize = head.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if head > HEAD_BYTES {
            return Err(io::Error::other(format!(
                "the head of a part has over {HEAD_BYTES} bytes"
            )));
        }
        let name = field.name().unwrap_or_default();
        if !NAMES.contains(&name) {
            let known = NAMES.join(", ");
            return Err(io::Error::other(format!("there is no part {name:?}; there are {known}")));
        }
        if self.seen.iter().any(|seen| seen == name) {
            return Err(io::Error::other(format!("the form has a second part {name}")));
        }
        self.seen.push(name.to_owned());
        Ok(Some(field))
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
        Some("sha256") => Part::Digest(word(bytes)?.parse().map_err(|error| {
            io::Error::other(format!("the part sha256 must be 64 hex digits: failed to {error}"))
        })?),
        Some("confirm_self") => Part::ConfirmSelf(confirmed(&word(bytes)?)?),
        Some("manifest") => Part::Manifest(bytes),
        _ => Part::Signature(bytes),
    })
}

/// The words that languages write for a truth, in any case.
fn confirmed(word: &str) -> io::Result<bool> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" | "" => Ok(false),
        _ => Err(io::Error::other(format!("the part confirm_self must be true: {word:?}"))),
    }
}

async fn within<T>(
    deadline: BodyDeadline,
    next: impl Future<Output = Result<T, multer::Error>>,
) -> io::Result<T> {
    deadline.wait(next).await?.map_err(told)
}

/// What our own end of the form's stream said is told as it said it.
fn told(error: multer::Error) -> io::Error {
    match error {
        multer::Error::StreamReadFailed(source) => io::Error::other(source),
        error @ (multer::Error::IncompleteStream
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteFieldData { .. }
        | multer::Error::ReadHeaderFailed(_)) => io::Error::other(format!(
            "{error}; each boundary and each line of a part's head has to end with CR LF, not with LF \
             alone, and the last boundary with --"
        )),
        error => io::Error::other(error),
    }
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
        let next = form.next_part().await.unwrap();
        assert!(matches!(next, Some(Part::Label(Some(label))) if label == "abc"));
    }

    #[tokio::test]
    async fn a_form_without_an_archive_or_with_an_endless_part_is_refused() {
        assert!(open(&[part("sha", "abc")]).await.0.is_err());
        assert!(open(&[part("manifest", &"x".repeat(5000))]).await.0.is_err());
        assert!(open(&[part("sha", &"x".repeat(129)), part("tarball", "BYTES")]).await.0.is_err());
        assert!(open(&[part("sha256", "x"), part("tarball", "BYTES")]).await.0.is_err());
    }

    #[tokio::test]
    async fn a_form_with_bare_line_feeds_is_told_what_its_lines_end_with() {
        for broken in [part("tarball", "BYTES").replace('\r', ""), "--x\r\nno head".to_owned()] {
            let kind = http::HeaderValue::from_static("multipart/form-data; boundary=x");
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
            let mut announced = Announced::default();
            let body = Body::from(broken);
            let opened = Parts::open(&headers, body, &mut announced, deadline()).await;
            let text = format!("{:?}", opened.err().unwrap());
            assert!(text.contains("has to end with CR LF"), "{text}");
        }
    }

    #[tokio::test]
    async fn what_a_form_asks_for_is_known_and_said_once() {
        let tarball = || part("tarball", "BYTES");
        assert!(open(&[part("force", "true"), tarball()]).await.0.is_err());
        assert!(open(&[part("sha", "a"), part("sha", "b"), tarball()]).await.0.is_err());
        let (_, announced) = open(&[part("confirm_self", "True"), tarball()]).await;
        assert!(announced.confirm_self);
        for (word, meant) in
            [("TRUE", Some(true)), ("1", Some(true)), ("0", Some(false)), ("2", None)]
        {
            assert_eq!(confirmed(word).ok(), meant, "{word}");
        }
    }

    #[tokio::test]
    async fn the_head_of_a_part_is_bounded_wherever_it_is_long() {
        let long = "y".repeat(64 << 10);
        let tarball = part("tarball", "BYTES");
        let fits = format!("--x\r\nx: {}\r\n{}", "y".repeat(7 << 10), &tarball[5..]);
        assert!(open(&[fits]).await.0.is_ok());
        for begin in [
            long.clone(),
            format!("--x\r\nx: {long}\r\n{}", &tarball[5..]),
            format!("--x\r\nx: {}\r\n{}", "y".repeat(9 << 10), &tarball[5..]),
            part(&long, "abc"),
        ] {
            let error = open(&[begin, tarball.clone()]).await.0.err().unwrap();
            let text = format!("{error:?}");
            assert!(text.contains("the head of a part has over 8192 bytes"), "{text}");
        }
    }
}
