//! The calls of the updater's API.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use engine::ResultCode;
use http::header::{ACCEPT, HOST};
use http::request::Builder;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use pki::Fingerprint;
use protocol::{
    AppName, Code, Digest, FORMAT, Health, HostHistory, HostHistoryEntry, HostName, OrderOptions,
    Period, Releases, RollbackOrder, TransactionId, UpdateOrder, header,
};
use rustls::ClientConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::updater_client::connection::{Connection, with_timeout};
use crate::updater_client::host_json::{parse, shown};
use crate::updater_client::lines::read_whole;
use crate::updater_client::request::{OrderBody, OrderRequest, order_query};
use crate::updater_client::{
    ClientError, FailureEvidence, OrderResult, ProgressCallback, ReleaseArchive, Timeouts,
};

/// How long an updater may ask for a fresh answer of a program that hangs, at most.
const FRESH_PROBE: Duration = Duration::from_secs(10);

/// Speaks to the updater of one host, as this master.
#[derive(Clone)]
pub struct UpdaterClient {
    pub(super) host: HostName,
    pub(super) address: String,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) epoch: u64,
    pub(super) timeouts: Timeouts,
    /// The certificate that the updater has shown last, to this client or to a copy of it.
    shown: Arc<Mutex<Option<Fingerprint>>>,
}

impl UpdaterClient {
    /// The updater of a host, reached at `address` (`name:port`). `tls` pins its certificate;
    /// `epoch` goes with every order.
    pub fn new(
        host: HostName,
        address: String,
        tls: Arc<ClientConfig>,
        epoch: u64,
        timeouts: Timeouts,
    ) -> Self {
        Self { host, address, tls, epoch, timeouts, shown: Arc::default() }
    }

    /// The same updater, ordered by a master of this epoch.
    #[must_use]
    pub fn of_epoch(self, epoch: u64) -> Self {
        Self { epoch, ..self }
    }

    /// `GET /health`.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.get("/health").await
    }

    /// `GET /health`, after every app's own probe was asked anew. An older updater says what it knows.
    pub async fn fresh_health(&self) -> Result<Health, ClientError> {
        let patience = Period(FRESH_PROBE.min(self.timeouts.answer / 2));
        self.get_with("/health", &[(header::PROBE, patience.to_string())]).await
    }

    /// `GET /releases`.
    pub async fn releases(&self) -> Result<Releases, ClientError> {
        self.get("/releases").await
    }

    /// `GET /releases`, where the host looks through its copy of a release. An older updater only lists it.
    pub async fn releases_checked(&self, release: Digest) -> Result<Releases, ClientError> {
        self.get(&format!("/releases?check={release}")).await
    }

    /// `GET /history`: what was done to an app on its host. None of it from an updater that does not know
    /// the route yet; what this version does not know is passed over.
    pub async fn history(&self, app: &AppName) -> Result<Vec<HostHistoryEntry>, ClientError> {
        let answer = self.get::<HostHistory<Value>>(&format!("/history?app={app}")).await;
        let entries = match answer {
            Err(ClientError::Refused {
                code: Some(ResultCode::Updater(Code::NotFound)), ..
            }) => {
                return Ok(Vec::new());
            }
            answer => answer?.entries.into_iter(),
        };
        Ok(entries.filter_map(|entry| serde_json::from_value(entry).ok()).collect())
    }

    /// `GET /evidence/{transaction}`.
    pub async fn evidence(
        &self,
        transaction: &TransactionId,
    ) -> Result<FailureEvidence, ClientError> {
        let value = self.get_value(&format!("/evidence/{transaction}"), &[]).await?;
        Ok(FailureEvidence::from_json(&value))
    }

    /// The same, as the host has it.
    pub async fn evidence_document(
        &self,
        transaction: &TransactionId,
    ) -> Result<Value, ClientError> {
        self.get_value(&format!("/evidence/{transaction}"), &[]).await
    }

    /// `DELETE /update`: the host ends what is under way for the app, and takes it back.
    pub async fn stop(&self, app: &AppName) -> Result<OrderResult, ClientError> {
        let progress: ProgressCallback = Arc::new(|_| {});
        let target = format!("/update?app={app}");
        let key = new_order_key();
        let order = OrderRequest::post(&key, Some(app), target, OrderBody::Nothing, progress);
        self.send_order(OrderRequest { method: Method::DELETE, ..order }).await
    }

    /// `POST /update` with an archive. A host that has it gets no bytes. `key` is the caller's own
    /// name for the order.
    pub async fn push(
        &self,
        app: &AppName,
        key: &str,
        archive: &ReleaseArchive,
        options: &OrderOptions,
        progress: ProgressCallback,
    ) -> Result<OrderResult, ClientError> {
        let query = order_query(Some(app), options, archive.label.as_deref());
        let target = format!("/update?{query}");
        self.send_order(OrderRequest::post(
            key,
            Some(app),
            target,
            OrderBody::Archive(archive),
            progress,
        ))
        .await
    }

    /// `POST /update` for a release that is on the host already.
    pub async fn activate(
        &self,
        app: &AppName,
        key: &str,
        digest: Digest,
        options: &OrderOptions,
        progress: ProgressCallback,
    ) -> Result<OrderResult, ClientError> {
        let body = UpdateOrder { digest, options: options.clone() };
        self.command(app, key, "/update", &body, progress).await
    }

    /// `POST /rollback`, to a release that the host keeps.
    pub async fn rollback(
        &self,
        app: &AppName,
        key: &str,
        digest: Digest,
        options: &OrderOptions,
        progress: ProgressCallback,
    ) -> Result<OrderResult, ClientError> {
        let body = RollbackOrder { digest: Some(digest), options: options.clone() };
        self.command(app, key, "/rollback", &body, progress).await
    }

    /// `POST /confirm/{transaction}`, on a connection that is not the order's.
    pub async fn confirm(
        &self,
        app: &AppName,
        transaction: &TransactionId,
        progress: ProgressCallback,
    ) -> Result<OrderResult, ClientError> {
        let target = format!("/confirm/{transaction}");
        let order =
            OrderRequest::post(&new_order_key(), Some(app), target, OrderBody::Nothing, progress);
        self.send_order_of(order, Some(transaction.clone())).await
    }

    /// `POST /update-self`. Whether the new updater came up, only a new connection can tell.
    pub async fn update_self(
        &self,
        archive: &ReleaseArchive,
        progress: ProgressCallback,
    ) -> Result<OrderResult, ClientError> {
        let target = "/update-self?confirm_self=true".to_owned();
        self.send_order(OrderRequest::post(
            &new_order_key(),
            None,
            target,
            OrderBody::Archive(archive),
            progress,
        ))
        .await
    }

    pub(super) async fn connect(&self) -> Result<Connection, ClientError> {
        let connection =
            Connection::open(&self.address, &self.host, &self.tls, &self.timeouts).await?;
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = connection.shown;
        Ok(connection)
    }

    /// The certificate that the updater has shown last; none before it was reached.
    pub fn shown_certificate(&self) -> Option<Fingerprint> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn command(
        &self,
        app: &AppName,
        key: &str,
        route: &str,
        body: &impl Serialize,
        progress: ProgressCallback,
    ) -> Result<OrderResult, ClientError> {
        let json =
            serde_json::to_vec(body).map_err(|error| ClientError::Malformed(error.to_string()))?;
        let target = format!("{route}?app={app}");
        self.send_order(OrderRequest::post(key, Some(app), target, OrderBody::Json(json), progress))
            .await
    }

    async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, ClientError> {
        self.get_with(target, &[]).await
    }

    async fn get_with<T: DeserializeOwned>(
        &self,
        target: &str,
        headers: &[(&str, String)],
    ) -> Result<T, ClientError> {
        let value = self.get_value(target, headers).await?;
        let format = value.get("format").and_then(Value::as_u64);
        if let Some(found) = format.filter(|&found| found > u64::from(FORMAT)) {
            return Err(ClientError::Newer { found, known: FORMAT });
        }
        serde_json::from_value(value).map_err(|error| ClientError::Malformed(error.to_string()))
    }

    async fn get_value(
        &self,
        target: &str,
        headers: &[(&str, String)],
    ) -> Result<Value, ClientError> {
        let mut connection = self.connect().await?;
        let request = Request::get(target)
            .header(HOST, self.host.as_str())
            .header(ACCEPT, "application/json");
        let with = |request: Builder, (name, value): &(&str, String)| request.header(*name, value);
        let request = headers
            .iter()
            .fold(request, with)
            .body(Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync())
            .map_err(|error| ClientError::Malformed(error.to_string()))?;
        let answer = async {
            let response = connection.send(request).await?;
            let status = response.status();
            let value = self.json(response).await?;
            Ok::<_, ClientError>((status, value))
        };
        let (status, value) = with_timeout(self.timeouts.answer, "get an answer", answer).await??;
        if status.is_success() {
            return Ok(value);
        }
        let answer = OrderResult::from_problem(&value, status.as_u16());
        let detail = answer.detail.unwrap_or_default();
        Err(ClientError::Refused { code: answer.code, detail })
    }

    /// A body that should be JSON. What stands in the place of an error's is taken as text.
    pub(super) async fn json(&self, response: Response<Incoming>) -> Result<Value, ClientError> {
        let status = response.status();
        let body = read_whole(response.into_body(), &self.address);
        let body = with_timeout(self.timeouts.answer, "get the whole answer", body).await??;
        parse(&body).ok_or_else(|| {
            let text = Value::String(String::from_utf8_lossy(&body).into_owned());
            let error = format!("it answered {status} with no JSON: {}", shown(&text));
            ClientError::Malformed(error)
        })
    }
}

/// A name for an order that is never asked about by its name.
pub(super) fn new_order_key() -> String {
    Uuid::now_v7().to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use engine::MasterCode;
    use serde_json::json;

    use super::*;
    use crate::updater_client::testing::{
        ScriptedPeers, TRANSACTION, app, digest, health, record_progress, release_archive,
        scripted_peer, serve_peer, short_timeouts,
    };

    #[tokio::test]
    async fn health_is_read() {
        let client = scripted_peer(|mut call| async move {
            call.json(200, &health("idle", None, &Value::Null)).await;
        })
        .await;
        let health = client.health().await.unwrap();
        assert_eq!(health.host.as_str(), "web-1");
    }

    #[tokio::test]
    async fn lesson_36_a_strange_health_is_an_error_of_its_kind() {
        for (status, value, code) in [
            (200, json!("ok"), MasterCode::BadAnswer),
            (200, json!({"format": 1}), MasterCode::BadAnswer),
            (200, json!({"format": 99, "apps": 7}), MasterCode::BadAnswer),
            (403, json!({"code": "role_forbidden", "detail": "no"}), MasterCode::Refused),
            (404, json!([]), MasterCode::Refused),
        ] {
            let client = scripted_peer(move |mut call| {
                let value = value.clone();
                async move { call.json(status, &value).await }
            })
            .await;
            let error = client.health().await.unwrap_err();
            assert_eq!(error.kind(), code, "{error:?}");
            assert!(error.one_line().starts_with("failed to "));
        }
    }

    #[tokio::test]
    async fn of_a_history_what_is_known_is_read_and_an_older_updater_has_none() {
        let operation = json!({
            "format": 1, "id": TRANSACTION, "operation": "polish", "caller": "local",
            "ended_at": "2026-01-02T03:04:05Z",
        });
        let entries = json!([{"of": "the future"}, operation, 7]);
        let known = json!({"format": 1, "app": "agent", "entries": entries});
        let no_route = json!({"code": "not_found", "detail": "there is no such route"});
        let no_app = json!({"code": "unknown_app", "detail": "no app is called agent"});
        for (status, answer, entries) in
            [(200, known, Some(1)), (404, no_route, Some(0)), (404, no_app, None)]
        {
            let client = scripted_peer(move |mut call| {
                let answer = answer.clone();
                async move { call.json(status, &answer).await }
            })
            .await;
            let history = client.history(&app()).await.ok();
            assert_eq!(history.map(|history| history.len()), entries);
        }
    }

    #[tokio::test]
    async fn evidence_is_read_whatever_else_is_in_it() {
        let client = scripted_peer(|mut call| async move {
            let evidence = json!({
                "problem": {"detail": "it died", "code": "of_the_future"},
                "build_output": ["a"], "agent_output": 7, "agent_exit": "exit status 3", "x": [],
            });
            call.json(200, &evidence).await;
        })
        .await;
        let evidence = client.evidence(&TRANSACTION.parse().unwrap()).await.unwrap();
        assert_eq!(evidence.detail.as_deref(), Some("it died"));
        assert_eq!(evidence.build_output, ["a"]);
        assert!(evidence.agent_output.is_empty());
    }

    #[tokio::test]
    async fn lesson_29_a_host_with_another_certificate_gets_nothing() {
        let peers = ScriptedPeers::new();
        let (pinned, _) = peers.updater("web-1");
        for impostor in [peers.updater("web-1"), peers.updater("web-2")] {
            let served = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&served);
            let address = serve_peer(impostor.1, move |_| {
                seen.store(true, Ordering::SeqCst);
                async {}
            })
            .await;
            let tls = peers.tls("web-1", &pinned);
            let host = "web-1".parse().unwrap();
            let client = UpdaterClient::new(host, address, tls, 1, short_timeouts());
            let directory = tempfile::tempdir().unwrap();
            let (archive, _) = release_archive(&directory);
            let sent = client
                .push(&app(), "a", &archive, &OrderOptions::default(), record_progress().0)
                .await;
            for error in [client.health().await.unwrap_err(), sent.unwrap_err()] {
                assert_eq!(error.kind(), MasterCode::NotTrusted, "{error:?}");
            }
            assert!(!served.load(Ordering::SeqCst));
        }
    }

    #[tokio::test]
    async fn a_host_that_is_not_there_is_unreachable_and_no_order_is_in_doubt() {
        let peers = ScriptedPeers::new();
        let (issued, _) = peers.updater("web-1");
        let tls = peers.tls("web-1", &issued);
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = closed.local_addr().unwrap().to_string();
        drop(closed);
        let client =
            UpdaterClient::new("web-1".parse().unwrap(), address, tls, 1, short_timeouts());
        let error = client
            .rollback(&app(), "a", digest(1), &OrderOptions::default(), record_progress().0)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), MasterCode::ConnectFailed);
    }
}
