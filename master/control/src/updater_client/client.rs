//! The calls.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use protocol::{
    AppName, Digest, FORMAT, Health, HostName, OrderOptions, Releases, RollbackOrder,
    TransactionId, UpdateOrder,
};
use rustls::ClientConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::updater_client::answer::{parse, shown};
use crate::updater_client::connection::{Connection, within};
use crate::updater_client::lines::whole;
use crate::updater_client::request::{Order, OrderBody, query};
use crate::updater_client::{Answer, ClientError, Evidence, Listener, Push, Timeouts};

/// One host's updater, as the master sees it.
#[derive(Clone)]
pub struct UpdaterClient {
    pub(super) host: HostName,
    pub(super) address: String,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) epoch: u64,
    pub(super) patience: Timeouts,
}

impl UpdaterClient {
    /// The updater of a host, reached at `address` (`name:port`). `tls` pins its certificate;
    /// `epoch` goes with every order.
    pub fn new(
        host: HostName,
        address: String,
        tls: Arc<ClientConfig>,
        epoch: u64,
        patience: Timeouts,
    ) -> Self {
        Self { host, address, tls, epoch, patience }
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

    /// `GET /releases`.
    pub async fn releases(&self) -> Result<Releases, ClientError> {
        self.get("/releases").await
    }

    /// `GET /evidence/{transaction}`.
    pub async fn evidence(&self, transaction: &TransactionId) -> Result<Evidence, ClientError> {
        let value = self.get_value(&format!("/evidence/{transaction}")).await?;
        Ok(Evidence::of(&value))
    }

    /// `PUT /releases/{digest}`: puts an archive on the host's disk, and activates nothing.
    pub async fn stage(
        &self,
        app: &AppName,
        key: &str,
        push: &Push,
        options: &OrderOptions,
        listener: Listener,
    ) -> Result<Answer, ClientError> {
        let query = query(Some(app), options, push.label.as_deref());
        let target = format!("/releases/{}?{query}", push.digest);
        let body = OrderBody::Archive(push);
        self.order(Order { method: Method::PUT, ..order(key, Some(app), target, body, listener) })
            .await
    }

    /// `POST /update` with an archive. A host that has it gets no bytes. `key` is the caller's own
    /// name for the order.
    pub async fn push(
        &self,
        app: &AppName,
        key: &str,
        push: &Push,
        options: &OrderOptions,
        listener: Listener,
    ) -> Result<Answer, ClientError> {
        let query = query(Some(app), options, push.label.as_deref());
        let target = format!("/update?{query}");
        self.order(order(key, Some(app), target, OrderBody::Archive(push), listener)).await
    }

    /// `POST /update` for a release that is on the host already.
    pub async fn activate(
        &self,
        app: &AppName,
        key: &str,
        digest: Digest,
        options: &OrderOptions,
        listener: Listener,
    ) -> Result<Answer, ClientError> {
        let body = UpdateOrder { digest, options: options.clone() };
        self.command(app, key, "/update", &body, listener).await
    }

    /// `POST /rollback`, to a release that the host keeps.
    pub async fn rollback(
        &self,
        app: &AppName,
        key: &str,
        digest: Digest,
        options: &OrderOptions,
        listener: Listener,
    ) -> Result<Answer, ClientError> {
        let body = RollbackOrder { digest: Some(digest), options: options.clone() };
        self.command(app, key, "/rollback", &body, listener).await
    }

    /// `POST /confirm/{transaction}`, on a connection that is not the order's.
    pub async fn confirm(
        &self,
        app: &AppName,
        transaction: &TransactionId,
        listener: Listener,
    ) -> Result<Answer, ClientError> {
        let target = format!("/confirm/{transaction}");
        let order = order(&fresh(), Some(app), target, OrderBody::Nothing, listener);
        self.order_of(order, Some(transaction.clone())).await
    }

    /// `POST /update-self`. Whether the new updater came up, only a new connection can tell.
    pub async fn update_self(
        &self,
        push: &Push,
        listener: Listener,
    ) -> Result<Answer, ClientError> {
        let target = "/update-self?confirm_self=true".to_owned();
        self.order(order(&fresh(), None, target, OrderBody::Archive(push), listener)).await
    }

    pub(super) async fn connect(&self) -> Result<Connection, ClientError> {
        Connection::open(&self.address, &self.host, &self.tls, &self.patience).await
    }

    async fn command(
        &self,
        app: &AppName,
        key: &str,
        route: &str,
        body: &impl Serialize,
        listener: Listener,
    ) -> Result<Answer, ClientError> {
        let json =
            serde_json::to_vec(body).map_err(|error| ClientError::Malformed(error.to_string()))?;
        let target = format!("{route}?app={app}");
        self.order(order(key, Some(app), target, OrderBody::Json(json), listener)).await
    }

    async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, ClientError> {
        let value = self.get_value(target).await?;
        let format = value.get("format").and_then(Value::as_u64);
        if let Some(found) = format.filter(|&found| found > u64::from(FORMAT)) {
            return Err(ClientError::Newer { found, known: FORMAT });
        }
        serde_json::from_value(value).map_err(|error| ClientError::Malformed(error.to_string()))
    }

    async fn get_value(&self, target: &str) -> Result<Value, ClientError> {
        let mut connection = self.connect().await?;
        let request = Request::get(target)
            .header(HOST, self.host.as_str())
            .header(ACCEPT, "application/json")
            .body(Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync())
            .map_err(|error| ClientError::Malformed(error.to_string()))?;
        let answer = async {
            let response = connection.send(request).await?;
            let status = response.status();
            let value = self.json(response).await?;
            Ok::<_, ClientError>((status, value))
        };
        let (status, value) = within(self.patience.answer, "get an answer", answer).await??;
        if status.is_success() {
            return Ok(value);
        }
        let answer = Answer::of_problem(&value, status.as_u16());
        let detail = answer.detail.unwrap_or_default();
        Err(ClientError::Refused { code: answer.code, detail })
    }

    /// A body that should be JSON. What stands in the place of an error's is taken as text.
    pub(super) async fn json(&self, response: Response<Incoming>) -> Result<Value, ClientError> {
        let status = response.status();
        let body = whole(response.into_body(), &self.address);
        let body = within(self.patience.answer, "get the whole answer", body).await??;
        parse(&body).ok_or_else(|| {
            let text = Value::String(String::from_utf8_lossy(&body).into_owned());
            let error = format!("it answered {status} with no JSON: {}", shown(&text));
            ClientError::Malformed(error)
        })
    }
}

pub(super) fn order<'a>(
    key: &str,
    app: Option<&'a AppName>,
    target: String,
    body: OrderBody<'a>,
    listener: Listener,
) -> Order<'a> {
    Order { method: Method::POST, key: key.to_owned(), app, target, body, listener }
}

/// A name for an order about which nobody will ask by its name.
pub(super) fn fresh() -> String {
    Uuid::now_v7().to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use serde_json::json;

    use super::*;
    use crate::updater_client::testing::{
        FakeUpdaters, TRANSACTION, app, archive, digest, ear, health, impatience, listen, peer,
    };

    #[tokio::test]
    async fn health_is_read() {
        let worker = peer(|mut call| async move {
            call.json(200, &health("idle", None, &Value::Null)).await;
        })
        .await;
        let health = worker.health().await.unwrap();
        assert_eq!(health.host.as_str(), "web-1");
    }

    #[tokio::test]
    async fn lesson_36_a_strange_health_is_an_error_of_its_kind() {
        for (status, value, code) in [
            (200, json!("ok"), "bad_answer"),
            (200, json!({"format": 1}), "bad_answer"),
            (200, json!({"format": 99, "apps": 7}), "bad_answer"),
            (403, json!({"code": "role_forbidden", "detail": "no"}), "refused"),
            (404, json!([]), "refused"),
        ] {
            let worker = peer(move |mut call| {
                let value = value.clone();
                async move { call.json(status, &value).await }
            })
            .await;
            let error = worker.health().await.unwrap_err();
            assert_eq!(error.code(), code, "{error:?}");
            assert!(error.row().starts_with("failed to "));
        }
    }

    #[tokio::test]
    async fn evidence_is_read_whatever_else_is_in_it() {
        let worker = peer(|mut call| async move {
            let evidence = json!({
                "problem": {"detail": "it died", "code": "of_the_future"},
                "build_output": ["a"], "agent_output": 7, "agent_exit": "exit status 3", "x": [],
            });
            call.json(200, &evidence).await;
        })
        .await;
        let evidence = worker.evidence(&TRANSACTION.parse().unwrap()).await.unwrap();
        assert_eq!(evidence.detail.as_deref(), Some("it died"));
        assert_eq!(evidence.build_output, ["a"]);
        assert!(evidence.agent_output.is_empty());
    }

    #[tokio::test]
    async fn lesson_29_a_host_with_another_certificate_gets_nothing() {
        let world = FakeUpdaters::new();
        let (pinned, _) = world.updater("web-1");
        for impostor in [world.updater("web-1"), world.updater("web-2")] {
            let served = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&served);
            let address = listen(impostor.1, move |_| {
                seen.store(true, Ordering::SeqCst);
                async {}
            })
            .await;
            let client = world.client("web-1", &pinned);
            let host = "web-1".parse().unwrap();
            let worker = UpdaterClient::new(host, address, client, 1, impatience());
            let directory = tempfile::tempdir().unwrap();
            let (push, _) = archive(&directory);
            let sent = worker.push(&app(), "a", &push, &OrderOptions::default(), ear().0).await;
            for error in [worker.health().await.unwrap_err(), sent.unwrap_err()] {
                assert_eq!(error.code(), "not_trusted", "{error:?}");
            }
            assert!(!served.load(Ordering::SeqCst));
        }
    }

    #[tokio::test]
    async fn a_host_that_is_not_there_is_unreachable_and_no_order_is_in_doubt() {
        let world = FakeUpdaters::new();
        let (issued, _) = world.updater("web-1");
        let client = world.client("web-1", &issued);
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = closed.local_addr().unwrap().to_string();
        drop(closed);
        let worker = UpdaterClient::new("web-1".parse().unwrap(), address, client, 1, impatience());
        let error = worker
            .rollback(&app(), "a", digest(1), &OrderOptions::default(), ear().0)
            .await
            .unwrap_err();
        assert_eq!(error.code(), "connect_failed");
    }
}
