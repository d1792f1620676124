//! `GET /health` and `GET /releases`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use protocol::{AppName, AppReleases, Digest, Period, header};
use serde::Deserialize;

use crate::api::blocking::blocking;
use crate::api::headers::only;
use crate::api::older_form::{HealthAnswer, ReleasesAnswer};
use crate::api::{ApiError, ApiQuery};
use crate::daemon::Daemon;
use crate::server::Caller;

/// For fresh answers of probes, at most.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// `GET /health`: from memory, so that it answers whatever the disk does; how much room there is, is asked
/// anew, but not waited for. With `Swarm-Probe`, every app's own probe is asked first.
pub(super) async fn health(
    State(daemon): State<Arc<Daemon>>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<HealthAnswer>, ApiError> {
    if caller.is_master() {
        daemon.note_answered_master();
    }
    if let Some(patience) = patience(&headers)? {
        daemon.ask_probes(patience.0.min(LONGEST_WAIT)).await;
    }
    daemon.look_at_room().await;
    let agent = daemon.app(None).ok().map(|app| app.status.get());
    let health = agent.as_ref().map(crate::transaction::Status::health);
    let releases = agent.map(|status| status.slots).unwrap_or_default();
    Ok(Json(HealthAnswer::new(daemon.health(), health.as_ref(), releases)))
}

/// How long fresh answers are waited for; `None` where none are asked for.
fn patience(headers: &HeaderMap) -> Result<Option<Period>, ApiError> {
    let Some(text) = only(headers, header::PROBE)? else { return Ok(None) };
    let wrong = |_| ApiError::bad_request(format!("{} is a time, as in 8s", header::PROBE));
    text.parse().map(Some).map_err(wrong)
}

/// What is asked of `GET /releases`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ReleasesQuery {
    /// The release that is compared with what it was after its build.
    check: Option<Digest>,
}

/// `GET /releases`: what is on the disk.
pub(super) async fn releases(
    State(daemon): State<Arc<Daemon>>,
    ApiQuery(query): ApiQuery<ReleasesQuery>,
) -> Result<Json<ReleasesAnswer<BTreeMap<AppName, AppReleases>>>, ApiError> {
    let releases = blocking(move || {
        let apps = daemon.apps.iter();
        let apps = apps.map(|(name, app)| Ok((name.clone(), app.settings.releases(query.check)?)));
        let apps = apps.collect::<std::io::Result<_>>().map_err(|error| read_error(&error))?;
        let slots = daemon.app(None).map_or(Ok(Vec::new()), |app| app.settings.slot_releases());
        Ok(ReleasesAnswer::new(apps, slots.map_err(|error| read_error(&error))?))
    });
    Ok(Json(releases.await?))
}

fn read_error(error: &std::io::Error) -> ApiError {
    ApiError::internal(format!("the releases cannot be read: {error}"))
}
