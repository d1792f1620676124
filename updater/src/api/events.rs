//! `GET /events` and `GET /evidence/{transaction}`.

use std::fs;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use protocol::{Code, Problem, TransactionId};

use crate::api::blocking::blocking;
use crate::api::follow::server_sent;
use crate::api::headers::number;
use crate::api::order_query::AppQuery;
use crate::api::{ApiError, ApiQuery};
use crate::daemon::Daemon;
use crate::transaction::{EventFilter, Evidence, evidence_file};

/// `GET /events`: from now on, or from `Last-Event-ID`.
pub(super) async fn events(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<AppQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if query.app.as_ref().is_some_and(|app| *app != daemon.updater_app.settings.name) {
        daemon.app(query.app.as_ref())?;
    }
    let after = number(&headers, "last-event-id")?.unwrap_or_else(|| daemon.events.last());
    let wanted = EventFilter { app: query.app, transaction: None, after };
    Ok(server_sent(daemon.events.listen(wanted)))
}

/// `GET /evidence/{transaction}`: what was kept of a failure.
pub(super) async fn evidence(
    State(daemon): State<Arc<Daemon>>,
    Path(transaction): Path<String>,
) -> Result<Response, ApiError> {
    let transaction: TransactionId =
        transaction.parse().map_err(|error| ApiError::bad_request(format!("failed to {error}")))?;
    blocking(move || kept_evidence(&daemon, &transaction)).await.map(IntoResponse::into_response)
}

fn kept_evidence(
    daemon: &Daemon,
    transaction: &TransactionId,
) -> Result<axum::Json<Evidence>, ApiError> {
    for app in daemon.apps.values().chain([&daemon.updater_app]) {
        if let Ok(text) = fs::read(evidence_file(&app.settings.files.evidence(), transaction)) {
            return serde_json::from_slice(&text).map(axum::Json).map_err(|error| {
                ApiError::internal(format!("the evidence cannot be read: {error}"))
            });
        }
    }
    let detail = format!("nothing is kept of {transaction}: it did not fail, or is too long ago");
    Err(Problem::new(Code::UnknownTransaction, detail).into())
}
