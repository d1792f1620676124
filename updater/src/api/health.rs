//! `GET /health` and `GET /releases`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use protocol::{AppReleases, FORMAT, Health, Release, ReleaseRecord, ReleaseState, Releases};

use crate::api::ApiError;
use crate::api::blocking::blocking;
use crate::daemon::Daemon;
use crate::release::{Slot, read_record};
use crate::server::Caller;
use crate::transaction::{App, ReleaseStates};

/// `GET /health`: from memory, so that it answers whatever the disk does.
pub(super) async fn health(State(daemon): State<Arc<Daemon>>, caller: Caller) -> Json<Health> {
    daemon.answered(&caller);
    Json(daemon.health())
}

/// `GET /releases`: what is on the disk.
pub(super) async fn releases(
    State(daemon): State<Arc<Daemon>>,
) -> Result<Json<Releases>, ApiError> {
    let releases = blocking(move || {
        let apps = daemon.apps.iter();
        let apps = apps.map(|(name, app)| Ok((name.clone(), app_releases(app)?)));
        let apps = apps.collect::<std::io::Result<_>>().map_err(|error| read_error(&error))?;
        Ok(Releases { format: FORMAT, apps })
    });
    Ok(Json(releases.await?))
}

fn read_error(error: &std::io::Error) -> ApiError {
    ApiError::internal(format!("the releases cannot be read: {error}"))
}

/// What is on the disk of one app.
pub(crate) fn app_releases(app: &App) -> std::io::Result<AppReleases> {
    let facts = ReleaseStates::read(&app.files.facts()).unwrap_or_default();
    let mut releases: Vec<Release> = app
        .layout
        .stored()?
        .into_iter()
        .filter(|digest| app.is_kept(digest).unwrap_or(true))
        .map(|digest| {
            let path = app.layout.release(&digest);
            let record = read_record(&path).ok();
            release(digest, &path, record, &facts)
        })
        .collect();
    releases.sort_by_key(|release| std::cmp::Reverse(release.installed_at));
    Ok(AppReleases {
        active: app.layout.slot(Slot::Active)?,
        prev: app.layout.slot(Slot::Prev)?,
        releases,
    })
}

fn release(
    digest: protocol::Digest,
    path: &std::path::Path,
    record: Option<ReleaseRecord>,
    facts: &ReleaseStates,
) -> Release {
    let fact = facts.get(&digest);
    let (name, version, sha, installed_at) = record.map_or((None, None, None, None), |record| {
        (record.name, record.version, record.sha, Some(record.installed_at))
    });
    Release {
        digest,
        state: fact.map_or(ReleaseState::Staged, crate::transaction::RecordedState::state),
        name,
        version,
        sha,
        installed_at,
        proven_at: fact.and_then(|fact| fact.proven_at),
        failed_at: fact.and_then(|fact| fact.failed_at),
        failure: fact.and_then(|fact| fact.failure.clone()),
        quarantined: facts.quarantined(&digest),
        path: path.display().to_string(),
    }
}
