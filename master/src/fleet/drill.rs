//! Drills: hosts try on themselves that updates work there. They leave nothing behind on a host, so
//! that they take no lock of a rollout's; a host that has something under way refuses.

use std::sync::Arc;

use protocol::{AppName, DrillReport, DrillStep, HostName};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::fleet::Member;
use crate::updater_client::ClientError;

/// How many hosts drill at once.
const AT_ONCE: usize = 16;

/// What came of a host's drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostDrill {
    pub host: HostName,
    /// `passed`, `failed`, `unreachable` or `skipped`.
    pub status: &'static str,
    /// The stable code of what went wrong.
    pub code: Option<String>,
    pub detail: Option<String>,
    /// What the host says, if the drill came to an end.
    pub report: Option<DrillReport>,
}

/// Lets all of them drill. `hear` is given each step.
pub async fn drill(
    members: Vec<Member>,
    app: &AppName,
    hear: impl Fn(&HostName, &DrillStep) + Send + Sync + 'static,
) -> Vec<HostDrill> {
    let (places, hear) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(hear));
    let mut drilling = JoinSet::new();
    for member in members {
        let (places, hear, app) = (Arc::clone(&places), Arc::clone(&hear), app.clone());
        drilling.spawn(async move {
            let _place = places.acquire().await;
            let hear = |step: &DrillStep| hear(&member.host, step);
            if member.skip.is_some() {
                return HostDrill::of(member.host, "skipped", None, member.skip);
            }
            let ended = match member.worker {
                Ok(worker) => worker.drill(&app, hear).await,
                Err(error) => Err(error),
            };
            match ended {
                Ok(report) => HostDrill::ended(member.host, report),
                Err(error) => HostDrill::lost(member.host, &error),
            }
        });
    }
    let mut hosts = Vec::new();
    while let Some(host) = drilling.join_next().await {
        hosts.extend(host);
    }
    hosts.sort_by(|one, other| one.host.cmp(&other.host));
    hosts
}

impl HostDrill {
    fn of(
        host: HostName,
        status: &'static str,
        code: Option<String>,
        detail: Option<&str>,
    ) -> Self {
        Self { host, status, code, detail: detail.map(str::to_owned), report: None }
    }

    fn ended(host: HostName, report: DrillReport) -> Self {
        let code = report.code.as_ref().map(|code| code.name().to_owned());
        let drill = Self::of(host, report.status.name(), code, report.detail.as_deref());
        Self { report: Some(report), ..drill }
    }

    fn lost(host: HostName, error: &ClientError) -> Self {
        let status = if error.was_reached() { "failed" } else { "unreachable" };
        let code = match error {
            ClientError::Refused { code: Some(code), .. } => code.clone(),
            _ => error.code().to_owned(),
        };
        Self::of(host, status, Some(code), Some(&error.row()))
    }
}
