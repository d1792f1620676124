//! What a rollout would do. Nothing is asked that changes anything.

use std::sync::Arc;

use protocol::{AppReleases, Digest, HostName, Phase};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::fleet::Member;
use crate::rollout::{Goal, Order};
use crate::worker::{Worker, WorkerError};

/// What would become of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedHost {
    /// The host.
    pub host: HostName,
    /// What would be done there.
    pub action: Action,
    /// What it runs now, where it could be asked.
    pub from: Option<Digest>,
    /// What it would run.
    pub to: Option<Digest>,
    /// Bytes that would go to it.
    pub bytes: u64,
    /// What stands in the way, or why nothing would be done.
    pub detail: Option<String>,
    /// What the host's updater would be replaced by afterwards, if it would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updater: Option<Digest>,
}

/// What would be done on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It would be ordered to run the release.
    Update,
    /// It would be ordered to go back.
    Rollback,
    /// It runs the release already.
    AlreadyCurrent,
    /// It would refuse the order, as it stands now.
    Refuse,
    /// It cannot be asked now.
    Unreachable,
    /// It is left out.
    Skip,
}

impl Action {
    /// The name on the wire and on the screen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Rollback => "rollback",
            Self::AlreadyCurrent => "already_current",
            Self::Refuse => "refuse",
            Self::Unreachable => "unreachable",
            Self::Skip => "skip",
        }
    }
}

/// Asks every host what it runs now, and works out what the order would do there.
pub async fn plan(order: &Order, tasks: Vec<Member>) -> Vec<PlannedHost> {
    let places = Arc::new(Semaphore::new(order.parallel.get()));
    let order = Arc::new(order.clone());
    let mut asked = JoinSet::new();
    for task in tasks {
        let (places, order) = (Arc::clone(&places), Arc::clone(&order));
        asked.spawn(async move {
            let _place = places.acquire().await;
            one(&order, task).await
        });
    }
    let mut hosts = Vec::new();
    while let Some(host) = asked.join_next().await {
        hosts.extend(host);
    }
    hosts.sort_by(|one, other| one.host.cmp(&other.host));
    hosts
}

async fn one(order: &Order, task: Member) -> PlannedHost {
    let Member { host, skip, worker } = task;
    let blank = PlannedHost {
        host,
        action: Action::Skip,
        from: None,
        to: order.goal.target(),
        bytes: 0,
        detail: None,
        updater: None,
    };
    if let Some(reason) = skip {
        return PlannedHost { to: None, detail: Some(reason.to_owned()), ..blank };
    }
    match ask(order, &blank, worker).await {
        Ok(planned) => planned,
        Err(error) => {
            PlannedHost { action: Action::Unreachable, detail: Some(error.row()), ..blank }
        }
    }
}

async fn ask(
    order: &Order,
    blank: &PlannedHost,
    worker: Result<Worker, WorkerError>,
) -> Result<PlannedHost, WorkerError> {
    let worker = worker?;
    let health = worker.health().await?;
    let mut releases = worker.releases().await?;
    let own = order.own.as_ref().filter(|own| own.digest != health.digest);
    let updater = own.map(|own| own.digest);
    let blank = blank.clone();
    let refuse = |detail: String| PlannedHost {
        action: Action::Refuse,
        detail: Some(detail),
        ..blank.clone()
    };
    let (Some(app), Some(kept)) = (health.apps.get(&order.app), releases.apps.remove(&order.app))
    else {
        return Ok(refuse(format!("it has no app {}", order.app)));
    };
    let from = app.active.as_ref().map(|active| active.digest);
    let planned = |action| PlannedHost { action, from, updater, ..blank.clone() };
    if app.state != Phase::Idle {
        let detail = format!("another transaction is {} there", app.state);
        return Ok(PlannedHost { from, ..refuse(detail) });
    }
    let to = order.goal.target().or(kept.prev);
    if to.is_some() && to == from && !order.options.force {
        if app.healthy {
            return Ok(PlannedHost { to, ..planned(Action::AlreadyCurrent) });
        }
        let detail = format!("its agent is {}; --force activates it again", app.agent);
        return Ok(PlannedHost { from, to, ..refuse(detail) });
    }
    if let Some(reason) = in_the_way(order, &kept, to) {
        return Ok(PlannedHost { from, to, ..refuse(reason) });
    }
    let has = |digest: &Digest| kept.releases.iter().any(|release| release.digest == *digest);
    Ok(match &order.goal {
        Goal::Push(push) if !has(&push.digest) => {
            PlannedHost { bytes: push.bytes, ..planned(Action::Update) }
        }
        Goal::Push(_) | Goal::Activate(_) => planned(Action::Update),
        Goal::Back(_) => PlannedHost { to, ..planned(Action::Rollback) },
    })
}

/// Why the host would refuse to go there.
fn in_the_way(order: &Order, kept: &AppReleases, to: Option<Digest>) -> Option<String> {
    let Some(to) = to else { return Some("it has no release to go back to".to_owned()) };
    match kept.releases.iter().find(|release| release.digest == to) {
        Some(release) if release.quarantined && !order.options.retry_quarantined => {
            let why = release.failure.clone().unwrap_or_else(|| "it failed here".to_owned());
            Some(format!("quarantined: {why}"))
        }
        None if !matches!(order.goal, Goal::Push(_)) => Some(format!("it does not have {to}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::testing::{Fleet, NEW, OLD, Requests, keeps, order, runs};
    use crate::worker::testing::{Call, digest};

    async fn host(
        fleet: &mut Fleet,
        name: &str,
        release: u8,
        prev: Option<u8>,
        quarantined: &'static [u8],
    ) -> Requests {
        let serve = move |mut call: Call| async move {
            if call.is("GET /health") {
                return call.json(200, &runs(release, true)).await;
            }
            call.json(200, &keeps(release, prev, quarantined)).await;
        };
        fleet.host(name, serve).await
    }

    #[tokio::test]
    async fn lesson_39_a_plan_asks_nothing_that_changes_anything() {
        let mut fleet = Fleet::new();
        let mut requests = vec![
            host(&mut fleet, "a-new", OLD, Some(NEW), &[]).await,
            host(&mut fleet, "b-current", NEW, None, &[]).await,
            host(&mut fleet, "c-bad", OLD, None, &[NEW]).await,
            host(&mut fleet, "d-first", OLD, None, &[]).await,
        ];
        requests.push(fleet.host("e-gone", |_| async {}).await);
        fleet.skip("f-old", "decommissioned");
        let asked = order(Goal::Push(fleet.archive()));
        let planned = plan(&asked, std::mem::take(&mut fleet.tasks)).await;
        let found: Vec<_> = planned.iter().map(|host| (host.action, host.bytes)).collect();
        assert_eq!(
            found,
            [
                (Action::Update, 0),
                (Action::AlreadyCurrent, 0),
                (Action::Refuse, 0),
                (Action::Update, 500_000),
                (Action::Unreachable, 0),
                (Action::Skip, 0),
            ]
        );
        assert_eq!(planned[0].from, Some(digest(OLD)));
        assert_eq!(planned[2].detail.as_deref(), Some("quarantined: it died"));
        assert!(requests.iter().all(|requests| requests.orders() == 0));
        assert_eq!(fleet.desired("a-new"), None);
    }

    #[tokio::test]
    async fn a_plan_of_a_rollback_names_where_each_host_goes() {
        let mut fleet = Fleet::new();
        host(&mut fleet, "a-1", NEW, Some(OLD), &[]).await;
        host(&mut fleet, "b-1", NEW, None, &[]).await;
        let asked = order(Goal::Back(None));
        let planned = plan(&asked, std::mem::take(&mut fleet.tasks)).await;
        assert_eq!((planned[0].action, planned[0].to), (Action::Rollback, Some(digest(OLD))));
        assert_eq!(planned[1].action, Action::Refuse);
    }
}
