//! `POST /agent/{operation}`: what an operator on the host does to an agent. On the local socket
//! only: a master orders releases.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use protocol::{AppHealth, AppName};
use serde::Deserialize;

use crate::api::blocking::blocking;
use crate::api::{ApiError, ApiQuery};
use crate::daemon::Daemon;
use crate::transaction::Operation;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AgentQuery {
    app: Option<AppName>,
}

pub(super) async fn operate(
    State(daemon): State<Arc<Daemon>>,
    Path(operation): Path<Operation>,
    ApiQuery(query): ApiQuery<AgentQuery>,
) -> Result<Json<AppHealth>, ApiError> {
    let app = daemon.app(query.app.as_ref())?;
    let health = blocking(move || {
        app.operate(operation)?;
        Ok(app.status.get().health())
    });
    Ok(Json(health.await?))
}
