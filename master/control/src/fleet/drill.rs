//! Drills: hosts try on themselves that updates work there. They leave nothing behind on a host, so
//! that they take no lock of a rollout's; a host that has something under way refuses.

use std::sync::Arc;

use engine::ResultCode;
use protocol::{AppName, Code, DrillReport, DrillStep, HostName};
use serde::Serialize;
use serde_json::json;
use store::{Event, EventType, Store, StoreError};
use time::OffsetDateTime;

use crate::fleet::{Member, TaskPanicked, ask_hosts};
use crate::updater_client::ClientError;

/// How many hosts drill at once.
const AT_ONCE: usize = 16;

/// What came of a host's drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostDrill {
    pub host: HostName,
    /// `passed`, `failed`, `unreachable` or `skipped`.
    pub status: &'static str,
    /// The code of what went wrong.
    pub code: Option<ResultCode>,
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
    let hear = Arc::new(hear);
    let tasks = members.into_iter().map(|member| {
        let (hear, app) = (Arc::clone(&hear), app.clone());
        let host = member.host.clone();
        (host.clone(), drill_host(member, app, move |step| hear(&host, step)))
    });
    rows(tasks).await
}

/// Keeps in a host's history how its drill went.
pub fn record_drill(
    store: &Store,
    drilled: &HostDrill,
    who: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let HostDrill { host, status, code, detail, report } = drilled;
    if *status == "skipped" {
        return Ok(());
    }
    store.record_event(&Event {
        host: Some(host.clone()),
        data: json!({"status": status, "code": code, "detail": detail, "report": report}),
        ..Event::new(EventType::HostDrilled, now, who)
    })
}

/// One row a host, also for one whose task panicked.
async fn rows<F>(tasks: impl IntoIterator<Item = (HostName, F)>) -> Vec<HostDrill>
where
    F: Future<Output = HostDrill> + Send + 'static,
{
    let answers = ask_hosts(AT_ONCE, tasks).await.into_iter();
    let row = |(host, row): (HostName, Result<_, _>)| {
        row.unwrap_or_else(|panicked| HostDrill::panicked(host, panicked))
    };
    let mut hosts: Vec<_> = answers.map(row).collect();
    hosts.sort_by(|one, other| one.host.cmp(&other.host));
    hosts
}

async fn drill_host(member: Member, app: AppName, hear: impl Fn(&DrillStep)) -> HostDrill {
    if let Some(reason) = &member.skip {
        return HostDrill::of(member.host, "skipped", None, Some(&reason.to_string()));
    }
    let ended = match member.client {
        Ok(client) => client.drill(&app, hear).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(report) => HostDrill::ended(member.host, report),
        Err(error) => HostDrill::lost(member.host, &error),
    }
}

impl HostDrill {
    /// Whether nothing went wrong. A host that is not addressed is no worry.
    pub fn is_fine(&self) -> bool {
        matches!(self.status, "passed" | "skipped")
    }

    fn of(
        host: HostName,
        status: &'static str,
        code: Option<ResultCode>,
        detail: Option<&str>,
    ) -> Self {
        Self { host, status, code, detail: detail.map(str::to_owned), report: None }
    }

    fn ended(host: HostName, report: DrillReport) -> Self {
        let code = report.code.clone().map(ResultCode::from);
        let drill = Self::of(host, report.status.into_str(), code, report.detail.as_deref());
        Self { report: Some(report), ..drill }
    }

    fn lost(host: HostName, error: &ClientError) -> Self {
        let status = if error.was_reached() { "failed" } else { "unreachable" };
        Self::of(host, status, Some(error.code()), Some(&error.one_line()))
    }

    /// What the host came to is not known.
    fn panicked(host: HostName, panicked: TaskPanicked) -> Self {
        let detail = format!("failed to {panicked}");
        Self::of(host, "failed", Some(Code::Internal.into()), Some(&detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::ask::tests::broken_or;

    #[tokio::test]
    async fn a_host_whose_task_panicked_has_a_row_and_did_not_pass() {
        let task = |name: &str, broken| {
            let host: HostName = name.parse().unwrap();
            (host.clone(), broken_or(broken, HostDrill::of(host, "passed", None, None)))
        };
        let hosts = rows([task("web-2", true), task("web-1", false)]).await;
        let rows: Vec<_> = hosts.iter().map(|host| (host.host.as_str(), host.status)).collect();
        assert_eq!(rows, [("web-1", "passed"), ("web-2", "failed")]);
        assert!(hosts[0].is_fine() && !hosts[1].is_fine());
        assert!(hosts[1].detail.as_ref().unwrap().contains("swarm itself failed"));
    }
}
