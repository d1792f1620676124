//! The request of an order: its head, and its body, which waits to be asked for.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST};
use http::request::Builder;
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Full};
use protocol::{AppName, Digest, OrderOptions, header};

use crate::signing::SignedFiles;
use crate::updater_client::connection::RequestBody;
use crate::updater_client::upload::BodyGate;
use crate::updater_client::{ClientError, ProgressCallback, UpdaterClient, upload};

/// The archive of a release, ready to be sent to hosts.
#[derive(Debug, Clone)]
pub struct ReleaseArchive {
    pub path: PathBuf,
    pub bytes: u64,
    pub digest: Digest,
    /// The sender's name for it.
    pub label: Option<String>,
    /// Whether it is gzip; else zstd.
    pub gzip: bool,
    /// Whether a host has to know how it is started: the release does not say it.
    pub needs_command: bool,
    /// What a release key says of it, for hosts that ask for that.
    pub signed: Option<SignedFiles>,
}

/// One order, before it goes out.
pub(super) struct OrderRequest<'a> {
    pub(super) method: Method,
    /// The caller's own name for it.
    pub(super) key: String,
    pub(super) app: Option<&'a AppName>,
    pub(super) target: String,
    pub(super) body: OrderBody<'a>,
    pub(super) progress: ProgressCallback,
}

impl<'a> OrderRequest<'a> {
    /// `POST`, under the name `key`.
    pub(super) fn post(
        key: &str,
        app: Option<&'a AppName>,
        target: String,
        body: OrderBody<'a>,
        progress: ProgressCallback,
    ) -> Self {
        Self { method: Method::POST, key: key.to_owned(), app, target, body, progress }
    }
}

pub(super) enum OrderBody<'a> {
    Nothing,
    Json(Vec<u8>),
    Archive(&'a ReleaseArchive),
}

impl UpdaterClient {
    pub(super) fn build_request(
        &self,
        order: &OrderRequest<'_>,
        sent: &Arc<AtomicU64>,
    ) -> Result<Request<RequestBody>, ClientError> {
        let builder = Request::builder()
            .method(order.method.clone())
            .uri(&order.target)
            .header(HOST, self.host.as_str())
            .header(ACCEPT, header::NDJSON)
            .header(header::EPOCH, self.epoch)
            .header(header::IDEMPOTENCY_KEY, &order.key);
        let empty = || Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
        let built = match &order.body {
            OrderBody::Nothing => builder.body(empty()),
            OrderBody::Json(json) => {
                let body = Full::new(Bytes::from(json.clone())).map_err(|never| match never {});
                builder.header(CONTENT_TYPE, "application/json").body(body.boxed_unsync())
            }
            OrderBody::Archive(archive) => {
                let gate = BodyGate::closed();
                let progress = Arc::clone(&order.progress);
                let body =
                    upload::body(&archive.path, archive.bytes, &gate, Arc::clone(sent), progress);
                let kind = if archive.gzip { "application/gzip" } else { "application/zstd" };
                let digest = protocol::content_digest(&archive.digest);
                let request = with_signature(builder, archive.signed.as_ref())
                    .header(CONTENT_TYPE, kind)
                    .header(CONTENT_LENGTH, archive.bytes)
                    .header(EXPECT, HeaderValue::from_static("100-continue"))
                    .header(header::CONTENT_DIGEST, digest)
                    .body(body);
                request.map(|mut request| {
                    hyper::ext::on_informational(&mut request, move |said| {
                        if said.status() == http::StatusCode::CONTINUE {
                            gate.open();
                        }
                    });
                    request
                })
            }
        };
        built.map_err(|error| ClientError::Malformed(error.to_string()))
    }
}

/// A host that asks for signatures looks at them before it asks for the archive.
fn with_signature(request: Builder, signed: Option<&SignedFiles>) -> Builder {
    let Some(SignedFiles { manifest, signature }) = signed else { return request };
    request
        .header(header::MANIFEST, STANDARD.encode(manifest))
        .header(header::SIGNATURE, STANDARD.encode(signature))
}

/// The query of an order that carries an archive.
pub(super) fn order_query(
    app: Option<&AppName>,
    options: &OrderOptions,
    label: Option<&str>,
) -> String {
    let mut words = Vec::new();
    words.extend(app.map(|app| format!("app={app}")));
    for (name, wanted) in [
        ("force", options.force),
        ("retry_quarantined", options.retry_quarantined),
        ("irreversible", options.irreversible),
        ("confirm", options.confirm),
    ] {
        words.extend(wanted.then(|| format!("{name}=true")));
    }
    words.extend(options.watch.map(|watch| format!("watch={watch}")));
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    let label = label.map(|label| label.chars().filter(plain).take(128).collect::<String>());
    words.extend(label.map(|label| format!("sha={label}")));
    words.join("&")
}

#[cfg(test)]
mod tests {
    use protocol::Period;

    use super::*;
    use crate::updater_client::testing::app;

    #[test]
    fn a_query_says_what_was_asked_and_nothing_a_label_smuggles_in() {
        let options = OrderOptions {
            force: true,
            watch: Some("2m".parse::<Period>().unwrap()),
            ..OrderOptions::default()
        };
        assert_eq!(
            order_query(Some(&app()), &options, Some("ab&force=true c-dirty")),
            "app=agent&force=true&watch=2m&sha=abforcetruec-dirty"
        );
        assert_eq!(order_query(None, &OrderOptions::default(), None), "");
    }
}
