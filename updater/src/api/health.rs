//! `GET /health` and `GET /releases`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use protocol::{FORMAT, Health, Releases};

use crate::api::ApiError;
use crate::api::blocking::blocking;
use crate::daemon::Daemon;
use crate::server::Caller;

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
    let releases = blocking(move || {
        let apps = daemon.apps.iter();
        let apps = apps.map(|(name, app)| Ok((name.clone(), app.settings.releases()?)));
        let apps = apps.collect::<std::io::Result<_>>().map_err(|error| read_error(&error))?;
        Ok(Releases { format: FORMAT, apps })
    });
    Ok(Json(releases.await?))
}

fn read_error(error: &std::io::Error) -> ApiError {
    ApiError::internal(format!("the releases cannot be read: {error}"))
}
