//! `POST /trust/reset-counter`: root on the host lets the counter of signed releases begin anew. On
//! the local socket only: a master could otherwise be made to take an older release.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use protocol::Highest;

use crate::api::blocking::blocking;
use crate::api::operator::operator;
use crate::api::order_query::AppQuery;
use crate::api::{ApiError, ApiQuery};
use crate::daemon::Daemon;
use crate::server::Caller;

/// Answers with what the counter was.
pub(super) async fn reset_counter(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<AppQuery>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<Option<Highest>>, ApiError> {
    let app = daemon.app_or_own(query.app.as_ref())?;
    let by = operator(&caller, &headers);
    blocking(move || Ok(app.reset_counter(by)?)).await.map(Json)
}
