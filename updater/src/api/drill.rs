//! `POST /drill`: tries on the real machine, beside the real apps, that updates work.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use http::HeaderMap;
use protocol::{Code, DrillLine, Problem};
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::api::blocking::blocking;
use crate::api::follow::{Follow, lines};
use crate::api::order_query::AppQuery;
use crate::api::orders::check_order;
use crate::api::{ApiError, ApiQuery};
use crate::daemon::Daemon;
use crate::server::Caller;

/// Begins one, and answers with its steps and its end.
pub(super) async fn drill(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<AppQuery>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let app = daemon.app(query.app.as_ref())?;
    check_order(&daemon, &headers).await?;
    let beginning = Arc::clone(&daemon);
    let heard =
        blocking(move || Ok(beginning.begin_drill(&app.settings.name, caller.kind())?)).await?;
    let mut heard = UnboundedReceiverStream::new(heard);
    if Follow::new(&headers, false, 0).stream {
        return Ok(lines(heard));
    }
    while let Some(line) = heard.next().await {
        if let DrillLine::Result(report) = line {
            return match &report.detail {
                None => Ok(axum::Json(report).into_response()),
                Some(why) => Err(Problem::new(Code::DrillFailed, why.clone()).into()),
            };
        }
    }
    Err(ApiError::internal("the drill ended without a result"))
}
