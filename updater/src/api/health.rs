//! `GET /health` and `GET /releases`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use protocol::{FORMAT, Health, Releases};

use crate::api::{ApiError, Caller};
use crate::daemon::Daemon;

/// `GET /health`: from memory, so that it answers whatever the disk does.
pub(super) async fn health(State(daemon): State<Arc<Daemon>>, caller: Caller) -> Json<Health> {
    if caller.is_master() {
        daemon.note_answered_master();
    }
    Json(daemon.health())
}

/// `GET /releases`: what is on the disk.
pub(super) async fn releases(
    State(daemon): State<Arc<Daemon>>,
) -> Result<Json<Releases>, ApiError> {
    let read = tokio::task::spawn_blocking(move || {
        let apps = daemon.apps.iter();
        let apps = apps.map(|(name, app)| Ok((name.clone(), app.settings.releases()?)));
        Ok(Releases { format: FORMAT, apps: apps.collect::<std::io::Result<_>>()? })
    });
    match read.await {
        Ok(Ok(releases)) => Ok(Json(releases)),
        Ok(Err(error)) => Err(read_error(&error)),
        Err(error) => Err(ApiError::internal(error.to_string())),
    }
}

fn read_error(error: &std::io::Error) -> ApiError {
    ApiError::internal(format!("the releases cannot be read: {error}"))
}
