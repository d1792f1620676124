//! Which route is which function.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};
use protocol::{Code, Problem};

use crate::api::{ApiError, events, health, metrics, orders};
use crate::daemon::Daemon;

/// The whole API. Bodies have bounds of their own, so axum's is off.
pub fn router(daemon: Arc<Daemon>) -> Router {
    Router::new()
        .route("/health", get(health::health))
        .route("/releases", get(health::releases))
        .route("/releases/{digest}", put(orders::stage))
        .route("/update", post(orders::update).delete(orders::abandon))
        .route("/update-self", post(orders::update_self))
        .route("/rollback", post(orders::rollback))
        .route("/confirm/{transaction}", post(orders::confirm))
        .route("/events", get(events::events))
        .route("/evidence/{transaction}", get(events::evidence))
        .route("/metrics", get(metrics::metrics))
        .fallback(async || ApiError::from(Problem::new(Code::NotFound, "there is no such route")))
        .method_not_allowed_fallback(async || {
            let detail = "this route does not take this method";
            ApiError::from(Problem::new(Code::MethodNotAllowed, detail))
        })
        .layer(DefaultBodyLimit::disable())
        .with_state(daemon)
}
