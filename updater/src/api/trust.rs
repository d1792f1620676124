//! `POST /trust/reset-counter`: root on the host lets the counter of signed releases begin anew. On
//! the local socket only: a master could otherwise be made to take an older release.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use protocol::{Highest, SELF_APP};

use crate::api::blocking::blocking;
use crate::api::order_query::AppQuery;
use crate::api::{ApiError, ApiQuery};
use crate::daemon::Daemon;

/// Answers with what the counter was.
pub(super) async fn reset_counter(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<AppQuery>,
) -> Result<Json<Option<Highest>>, ApiError> {
    let own = query.app.as_ref().is_some_and(|app| app.as_str() == SELF_APP);
    let app = if own { Arc::clone(&daemon.updater_app) } else { daemon.app(query.app.as_ref())? };
    blocking(move || Ok(app.reset_counter()?)).await.map(Json)
}
