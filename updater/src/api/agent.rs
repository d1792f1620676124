//! `POST /agent/{operation}`: what an operator on the host does to an agent. On the local socket
//! only: a master orders releases.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::HeaderMap;
use protocol::OperatedAgent;

use crate::api::blocking::blocking;
use crate::api::operator::operator;
use crate::api::order_query::AppQuery;
use crate::api::{ApiError, ApiQuery};
use crate::daemon::Daemon;
use crate::server::Caller;
use crate::transaction::Operation;

pub(super) async fn operate(
    State(daemon): State<Arc<Daemon>>,
    Path(operation): Path<Operation>,
    ApiQuery(query): ApiQuery<AppQuery>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<OperatedAgent>, ApiError> {
    let app = daemon.app(query.app.as_ref())?;
    let by = operator(&caller, &headers);
    let operated = blocking(move || {
        let killed = app.operate(operation, by)?;
        Ok(OperatedAgent::new(app.health(), killed.as_ref().map(ToString::to_string)))
    });
    Ok(Json(operated.await?))
}
