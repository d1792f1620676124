//! `GET /health` and `GET /releases`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use protocol::{AppName, AppReleases};

use crate::api::ApiError;
use crate::api::blocking::blocking;
use crate::api::older_form::{HealthAnswer, ReleasesAnswer};
use crate::daemon::Daemon;
use crate::server::Caller;

/// `GET /health`: from memory, so that it answers whatever the disk does; how much room there is, is asked
/// anew, but not waited for.
pub(super) async fn health(
    State(daemon): State<Arc<Daemon>>,
    caller: Caller,
) -> Json<HealthAnswer> {
    if caller.is_master() {
        daemon.note_answered_master();
    }
    daemon.look_at_room().await;
    let agent = daemon.app(None).ok().map(|app| app.status.get());
    let health = agent.as_ref().map(crate::transaction::Status::health);
    let releases = agent.map(|status| status.slots).unwrap_or_default();
    Json(HealthAnswer::new(daemon.health(), health.as_ref(), releases))
}

/// `GET /releases`: what is on the disk.
pub(super) async fn releases(
    State(daemon): State<Arc<Daemon>>,
) -> Result<Json<ReleasesAnswer<BTreeMap<AppName, AppReleases>>>, ApiError> {
    let releases = blocking(move || {
        let apps = daemon.apps.iter();
        let apps = apps.map(|(name, app)| Ok((name.clone(), app.settings.releases()?)));
        let apps = apps.collect::<std::io::Result<_>>().map_err(|error| read_error(&error))?;
        let slots = daemon.app(None).map_or(Ok(Vec::new()), |app| app.settings.slot_releases());
        Ok(ReleasesAnswer::new(apps, slots.map_err(|error| read_error(&error))?))
    });
    Ok(Json(releases.await?))
}

fn read_error(error: &std::io::Error) -> ApiError {
    ApiError::internal(format!("the releases cannot be read: {error}"))
}
