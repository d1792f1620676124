//! `POST /agent/{operation}`: what an operator on the host does to an agent. On the local socket
//! only: a master orders releases.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use protocol::AppHealth;

use crate::api::blocking::blocking;
use crate::api::order_query::AppQuery;
use crate::api::{ApiError, ApiQuery};
use crate::daemon::Daemon;
use crate::transaction::Operation;

pub(super) async fn operate(
    State(daemon): State<Arc<Daemon>>,
    Path(operation): Path<Operation>,
    ApiQuery(query): ApiQuery<AppQuery>,
) -> Result<Json<AppHealth>, ApiError> {
    let app = daemon.app(query.app.as_ref())?;
    let health = blocking(move || {
        app.operate(operation)?;
        Ok(app.health())
    });
    Ok(Json(health.await?))
}
