//! What a request says of its archive before the bytes: how it is sent, and what its headers announce.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header::CONTENT_LENGTH, header::CONTENT_TYPE};
use protocol::{Digest, header, parse_content_digest};

use crate::api::ApiError;
use crate::api::headers::only;
use crate::transaction::Declared;
use crate::trust::UnverifiedManifest;

/// What an order's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Archive,
    /// `multipart/form-data`.
    Multipart,
}

/// What is known of an archive before its bytes.
#[derive(Debug, Default)]
pub(super) struct Announced {
    pub(super) declared: Declared,
    /// What vouches for it.
    pub(super) presented: UnverifiedManifest,
    /// Whether it was said that the updater itself is meant.
    pub(super) confirm_self: bool,
}

impl Form {
    /// Told from the media type.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let kind = only(headers, CONTENT_TYPE.as_str())?;
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
pub(super) fn announced_digest(headers: &HeaderMap) -> Result<Option<Digest>, ApiError> {
    let Some(value) = only(headers, header::CONTENT_DIGEST)? else { return Ok(None) };
    let digest = parse_content_digest(value);
    digest.map(Some).map_err(|error| ApiError::bad_request(format!("failed to {error}")))
}

/// The manifest and the signature in the request's headers.
pub(super) fn presented(headers: &HeaderMap) -> Result<UnverifiedManifest, ApiError> {
    let file = |name| {
        let value = only(headers, name)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_told_from_its_media_type() {
        let of = |kind| {
            let kind = http::HeaderValue::from_static(kind);
            Form::of(&HeaderMap::from_iter([(CONTENT_TYPE, kind)]))
        };
        assert_eq!(Form::of(&HeaderMap::new()).unwrap(), Form::Json);
        assert_eq!(of("application/zstd").unwrap(), Form::Archive);
        assert_eq!(of("multipart/form-data; boundary=x").unwrap(), Form::Multipart);
        assert!(of("text/html").is_err());
    }
}
