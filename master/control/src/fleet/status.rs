//! What runs where, and whether it is what was asked for.

use std::collections::BTreeMap;

use protocol::{
    ActiveRelease, AgentDeath, AgentState, AppHealth, AppName, Digest, Health, HostName, LastProbe,
    LastTransaction, Phase, Releases,
};
use serde::Serialize;
use store::SkipReason;
use time::OffsetDateTime;

use crate::fleet::room::full_disk;
use crate::fleet::{Expected, HeldBy, Known, Member, Missed, TaskPanicked, ask_hosts};
use crate::updater_client::{ClientError, UpdaterClient};

/// How many hosts are asked at once.
const AT_ONCE: usize = 64;
/// One host, as it says it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostStatus {
    pub host: HostName,
    /// By which it is selected.
    pub labels: BTreeMap<String, String>,
    /// Why it was not asked, if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// By whom and why it is kept out of rollouts, if it is. It is asked all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    pub reachable: bool,
    pub error: Option<String>,
    pub updater_version: Option<String>,
    /// The digest of the release that the updater runs from.
    pub updater_digest: Option<Digest>,
    /// The rollout that has it, if one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<HeldBy>,
    /// What an operator should know of it beside its apps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Its apps, and those that it should have.
    pub apps: Vec<AppStatus>,
}

/// One app of a host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AppStatus {
    pub app: AppName,
    /// Where its transaction stands; absent if the host has no such app.
    pub state: Option<Phase>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub since: Option<OffsetDateTime>,
    /// What its agent is doing.
    pub agent: Option<AgentState>,
    /// Since when it is stopped on purpose.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub stopped_since: Option<OffsetDateTime>,
    /// Whether its program is well.
    pub healthy: bool,
    /// Why it is not, by the host's own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last answer to its own probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<LastProbe>,
    /// What its agent last died of, outside of transactions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub died: Option<AgentDeath>,
    /// What runs, by the host's own word.
    pub active: Option<ActiveRelease>,
    /// Where a rollback would go.
    pub prev: Option<Digest>,
    /// What the last update or rollback asked for.
    pub desired: Option<Digest>,
    /// Its version, where this master knows it; documents have that of every release.
    #[serde(skip_serializing)]
    pub desired_version: Option<String>,
    /// Whether something else runs than was asked for, and nothing is under way.
    pub drift: bool,
    /// Why it does not run what it should, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift_reason: Option<String>,
    /// How it came out of the rollout that asked for it, where that did not bring it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
    /// How the last transaction ended.
    pub last: Option<LastTransaction>,
    /// What an operator should know.
    pub warnings: Vec<String>,
    /// Why a start of its stopped agent would be refused, where it would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_refused: Option<String>,
}

impl HostStatus {
    /// A host of which nothing is known.
    fn unknown(host: HostName) -> Self {
        Self {
            host,
            labels: BTreeMap::new(),
            skipped: None,
            held: None,
            reachable: false,
            error: None,
            updater_version: None,
            updater_digest: None,
            rollout: None,
            warnings: Vec::new(),
            apps: Vec::new(),
        }
    }

    /// Whether it is as it should be: `check` and `status` say the same of it. A host that is not
    /// addressed is no worry, and neither is that a held one runs something else: it is kept out on purpose.
    pub fn is_well(&self) -> bool {
        let well = self.reachable && self.error.is_none() && self.warnings.is_empty();
        self.skipped.is_some()
            || (well && self.apps.iter().all(|app| app.is_well(self.held.is_some())))
    }
}

impl AppStatus {
    fn is_well(&self, held: bool) -> bool {
        let runs_what_it_may = held || !self.drift;
        self.healthy && runs_what_it_may && !self.is_stopped() && self.warnings.is_empty()
    }

    /// Whether an operator stopped it on the host.
    pub fn is_stopped(&self) -> bool {
        self.agent == Some(AgentState::Stopped)
    }

    /// Of a stopped one: how it is started again, or why it is not to be.
    pub fn why_stopped(&self) -> String {
        let how = match &self.start_refused {
            Some(why) => format!("and not to be started: {why}"),
            None => "to start it, on the host: updater start".to_owned(),
        };
        format!("stopped there; {how}")
    }

    /// What is amiss, each said once: why the program is not well, and what an operator should know. Of a host
    /// that did not answer, that is all that is known.
    pub fn complaints(&self) -> Vec<String> {
        let unwell = (!self.healthy && self.state.is_some()).then(|| {
            let agent = self.agent.as_ref().map(ToString::to_string);
            let agent = agent.unwrap_or_else(|| "not known".to_owned());
            self.reason.clone().unwrap_or(format!("its agent should run, and is {agent}"))
        });
        let said = unwell.clone();
        let warnings = self.warnings.iter().filter(|warning| Some(*warning) != said.as_ref());
        unwell.into_iter().chain(warnings.cloned()).collect()
    }

    /// What its agent died of, where it runs again.
    pub fn survived(&self) -> Option<String> {
        let death = self.died.as_ref().filter(|_| self.healthy && !self.is_stopped())?;
        Some(format!("its agent {death}; it runs again{}", death.last_words()))
    }
}

/// Asks all hosts at once. `known` is what the master knows of each.
pub async fn status(members: Vec<Member>, mut known: BTreeMap<HostName, Known>) -> Vec<HostStatus> {
    let tasks = members.into_iter().map(|member| {
        let known = known.remove(&member.host).unwrap_or_default();
        (member.host.clone(), ask_host(member, known))
    });
    rows(tasks).await
}

/// One row a host, also for one whose task panicked.
async fn rows<F>(tasks: impl IntoIterator<Item = (HostName, F)>) -> Vec<HostStatus>
where
    F: Future<Output = HostStatus> + Send + 'static,
{
    let panicked = |host, panicked: TaskPanicked| HostStatus {
        error: Some(format!("failed to {panicked}")),
        ..HostStatus::unknown(host)
    };
    let answers = ask_hosts(AT_ONCE, tasks).await.into_iter();
    let row = |(host, row): (HostName, Result<_, _>)| row.unwrap_or_else(|it| panicked(host, it));
    let mut hosts: Vec<_> = answers.map(row).collect();
    hosts.sort_by(|one, other| one.host.cmp(&other.host));
    hosts
}

async fn ask_host(member: Member, known: Known) -> HostStatus {
    let Member { host, labels, skip, client } = member;
    let Known { expected, rollout } = known;
    let (held, skipped) = match skip {
        Some(held @ SkipReason::Held(_)) => (Some(held.to_string()), None),
        other => (None, other.map(|reason| reason.to_string())),
    };
    let blank = HostStatus { labels, skipped, held, rollout, ..HostStatus::unknown(host) };
    if blank.skipped.is_some() {
        return blank;
    }
    match ask(client).await {
        Err(error) => {
            let apps = expected.iter().map(of_silent).collect();
            HostStatus { error: Some(error.one_line()), apps, ..blank }
        }
        Ok((health, releases)) => HostStatus {
            error: (health.host != blank.host).then(|| {
                format!("it says that it is {}, and its certificate does not", health.host)
            }),
            reachable: true,
            updater_version: Some(health.version.clone()),
            updater_digest: Some(health.digest),
            warnings: health.warnings.clone(),
            apps: apps(health, releases.as_ref(), &expected),
            ..blank
        },
    }
}

/// A host whose releases cannot be listed still says how it is.
async fn ask(
    client: Result<UpdaterClient, ClientError>,
) -> Result<(Health, Option<Releases>), ClientError> {
    let client = client?;
    let health = client.fresh_health().await?;
    Ok((health, client.releases().await.ok()))
}

fn apps(health: Health, releases: Option<&Releases>, expected: &[Expected]) -> Vec<AppStatus> {
    let wanted = |app: &AppName| expected.iter().find(|expected| expected.desired.app == *app);
    let gone: Vec<_> = expected
        .iter()
        .filter(|expected| !health.apps.contains_key(&expected.desired.app))
        .collect();
    let mut apps: Vec<AppStatus> = health
        .apps
        .into_iter()
        .map(|(app, health)| {
            let prev = releases.and_then(|all| all.apps.get(&app)).and_then(|app| app.prev);
            let expected = wanted(&app);
            of_app(app, health, prev, expected)
        })
        .collect();
    apps.extend(gone.into_iter().map(of_gone));
    apps
}

pub(super) fn of_app(
    app: AppName,
    health: AppHealth,
    prev: Option<Digest>,
    expected: Option<&Expected>,
) -> AppStatus {
    let runs = health.active.as_ref().map(|active| active.digest);
    let desired = expected.map(|expected| expected.desired.digest);
    let drift = desired.is_some() && runs != desired && health.state == Phase::Idle;
    let drifts = expected.filter(|_| drift);
    let full = full_disk(&health).map(str::to_owned);
    AppStatus {
        app,
        drift,
        drift_reason: drifts.and_then(|expected| expected.drift_reason(health.last.as_ref())),
        desired_version: expected.and_then(|expected| expected.version.clone()),
        missed: drifts.and_then(|expected| expected.missed.clone()),
        state: Some(health.state),
        since: Some(health.since),
        agent: Some(health.agent),
        stopped_since: health.stopped_since,
        healthy: health.healthy,
        reason: health.reason,
        probe: health.probe,
        died: health.died,
        active: health.active,
        // In the watch, a rollback goes to what ran before the update.
        prev: health.undoes_to.or(prev),
        desired,
        last: health.last,
        warnings: health.warnings.into_iter().chain(full).collect(),
        start_refused: health.start_refused,
    }
}

fn of_gone(expected: &Expected) -> AppStatus {
    AppStatus {
        healthy: true,
        drift: true,
        warnings: vec!["the host has no such app any more".to_owned()],
        ..of_silent(expected)
    }
}

/// An app of a host that did not say anything of it: only what was asked for is known.
fn of_silent(expected: &Expected) -> AppStatus {
    AppStatus {
        app: expected.desired.app.clone(),
        state: None,
        since: None,
        agent: None,
        stopped_since: None,
        healthy: false,
        reason: None,
        probe: None,
        died: None,
        active: None,
        prev: None,
        desired: Some(expected.desired.digest),
        desired_version: expected.version.clone(),
        drift: false,
        drift_reason: expected.missed.as_ref().map(Missed::words),
        missed: expected.missed.clone(),
        last: None,
        warnings: Vec::new(),
        start_refused: None,
    }
}

#[cfg(test)]
mod tests {
    use store::Desired;

    use super::*;
    use crate::fleet::ask::tests::broken_or;
    use crate::updater_client::testing::{digest, health};

    fn of(state: &str, runs: u8, desired: Option<u8>) -> AppStatus {
        let mut health = health(state, None, &serde_json::Value::Null);
        health["apps"]["agent"]["active"]["digest"] = serde_json::json!(digest(runs));
        let health: Health = serde_json::from_value(health).unwrap();
        let desired = desired.map(|desired| expected("agent", desired));
        apps(health, None, desired.as_slice()).remove(0)
    }

    fn expected(app: &str, release: u8) -> Expected {
        let desired = Desired {
            host: "web-1".parse().unwrap(),
            app: app.parse().unwrap(),
            digest: digest(release),
            rollout: None,
            since: OffsetDateTime::UNIX_EPOCH,
        };
        Expected { desired, version: None, missed: None }
    }

    #[tokio::test]
    async fn a_host_whose_task_panicked_has_a_row_and_is_not_well() {
        let task = |name: &str, broken| {
            let host: HostName = name.parse().unwrap();
            let status = HostStatus { reachable: true, ..HostStatus::unknown(host.clone()) };
            (host, broken_or(broken, status))
        };
        let hosts = rows([task("web-2", true), task("web-1", false)]).await;
        let names: Vec<_> = hosts.iter().map(|host| host.host.as_str()).collect();
        assert_eq!(names, ["web-1", "web-2"]);
        assert!(hosts[0].is_well() && !hosts[1].is_well());
        assert!(hosts[1].error.as_ref().unwrap().contains("swarm itself failed"));
    }

    #[test]
    fn lesson_47_what_runs_is_what_the_host_says_and_the_rest_is_drift() {
        let app = of("idle", 1, Some(2));
        assert!(app.drift);
        assert_eq!(app.active.unwrap().digest, digest(1));
        assert!(!of("idle", 2, Some(2)).drift);
        assert!(!of("idle", 2, None).drift);
        // It is on its way.
        assert!(!of("building", 1, Some(2)).drift);
    }

    #[test]
    fn the_release_before_is_where_a_rollback_goes_in_a_watch_too() {
        let prev = |undoes_to: Option<u8>| {
            let mut health = health("watching", None, &serde_json::Value::Null);
            health["apps"]["agent"]["undoes_to"] = serde_json::json!(undoes_to.map(digest));
            let mut health: Health = serde_json::from_value(health).unwrap();
            let (app, health) = health.apps.pop_first().unwrap();
            of_app(app, health, Some(digest(1)), None).prev
        };
        // What ran before the update, which `prev` names only once the watch is over.
        assert_eq!(prev(Some(2)), Some(digest(2)));
        assert_eq!(prev(None), Some(digest(1)));
    }

    #[test]
    fn a_held_host_may_run_something_else() {
        let host = |held: bool, app: AppStatus| HostStatus {
            reachable: true,
            held: held.then(|| "held by ada: new disk".to_owned()),
            apps: vec![app],
            ..HostStatus::unknown("web-1".parse().unwrap())
        };
        let drifts = of("idle", 1, Some(2));
        assert!(host(true, drifts.clone()).is_well() && !host(false, drifts.clone()).is_well());
        assert!(!host(true, AppStatus { healthy: false, ..drifts }).is_well());
    }

    #[test]
    fn drift_that_was_made_on_the_host_says_by_whom() {
        let ended = |caller: &str| {
            let mut ended = crate::updater_client::testing::last("x", "rolled_back");
            ended["kind"] = serde_json::json!("rollback");
            ended["caller"] = serde_json::json!(caller);
            ended["by"] = serde_json::json!("ada");
            ended["ended_at"] = serde_json::json!("2026-11-30T02:00:00Z");
            serde_json::from_value::<LastTransaction>(ended).unwrap()
        };
        let missed = Missed {
            rollout: store::RolloutId::new(),
            outcome: protocol::HostOutcome::Skipped,
            code: Some("held".to_owned()),
        };
        let was_held = format!("held during {}", missed.rollout.short());
        // A rollback that was undone has failed, and is called nothing else besides.
        let (outcome, code) = (protocol::HostOutcome::Failed, Some("rolled_back".to_owned()));
        let undone = Missed { outcome, code, ..missed.clone() };
        assert_eq!(undone.words(), format!("missed in {}, failed", missed.rollout.short()));
        let arrived = expected("agent", 2);
        let mut absent = Expected { missed: Some(missed), ..expected("agent", 2) };
        let by_hand = "rolled back on the host by ada 2026-11-30 02:00:00Z";
        let why = |expected: &Expected, caller| expected.drift_reason(Some(&ended(caller)));
        assert_eq!(why(&arrived, "local").as_deref(), Some(by_hand));
        assert_eq!(why(&arrived, "master"), None);
        assert_eq!(why(&absent, "local").as_deref(), Some(by_hand));
        assert_eq!(why(&absent, "master"), Some(was_held.clone()));
        // An order that another master gave since, or a client of the API.
        let back = |order: Option<String>| LastTransaction {
            order,
            by: None,
            from: Some(digest(2)),
            to: Some(digest(1)),
            ..ended("master")
        };
        absent.desired.rollout = Some(store::RolloutId::new());
        let own = absent.desired.rollout.map(|id| format!("{id}/web-1/forward"));
        let by_another = "rolled back by another order 2026-11-30 02:00:00Z";
        assert_eq!(absent.drift_reason(Some(&back(None))).as_deref(), Some(by_another));
        assert_eq!(absent.drift_reason(Some(&back(own))), Some(was_held.clone()));
        // What was done there before has nothing to do with it.
        absent.desired.since = time::macros::datetime!(2026-12-01 00:00 UTC);
        assert_eq!(why(&absent, "local"), Some(was_held));
    }

    #[test]
    fn an_app_that_vanished_is_drift() {
        let health = health("idle", None, &serde_json::Value::Null);
        let found = apps(serde_json::from_value(health).unwrap(), None, &[expected("other", 2)]);
        assert_eq!(found.len(), 2);
        assert!(!found[0].drift && found[1].drift);
    }
}
