//! `GET /history`: what was done to an app on this host, on a master's order or by an operator here.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use protocol::{FORMAT, HostHistory};

use crate::api::blocking::blocking;
use crate::api::order_query::AppQuery;
use crate::api::{ApiError, ApiQuery};
use crate::daemon::Daemon;

/// The newest first.
pub(super) async fn history(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<AppQuery>,
) -> Result<Json<HostHistory>, ApiError> {
    let app = daemon.app_or_own(query.app.as_ref())?;
    let history = blocking(move || {
        let entries = app
            .history()
            .map_err(|error| ApiError::internal(format!("the history cannot be read: {error}")))?;
        Ok(HostHistory { format: FORMAT, app: app.settings.name.clone(), entries })
    });
    history.await.map(Json)
}
