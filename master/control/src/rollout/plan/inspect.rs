//! Every host is asked how it is. Nothing is asked that changes anything.

use std::collections::BTreeMap;

use engine::Observation;
use protocol::{AppName, AppReleases, Digest, Health, HostName};
use store::SkipReason;

use crate::fleet::{Member, ask_hosts};
use crate::rollout::answered::{defect, unreachable};
use crate::updater_client::{ClientError, UpdaterClient};

/// How many hosts are asked at once.
const AT_ONCE: usize = 64;

/// A host, and how it was found.
#[derive(Debug)]
pub struct Inspected {
    pub host: HostName,
    pub labels: BTreeMap<String, String>,
    /// Why it is left out, or how it was found.
    pub found: Result<Result<InspectedHost, Observation>, SkippedHost>,
}

/// A host that the rollout leaves out.
#[derive(Debug)]
pub struct SkippedHost {
    pub reason: SkipReason,
    /// What it runs, where it is held and says so.
    pub runs: Option<Digest>,
}

/// What a host said.
#[derive(Debug)]
pub struct InspectedHost {
    /// Its `/health`.
    pub health: Health,
    /// Its releases of the app; absent where it did not say.
    pub releases: Option<AppReleases>,
}

/// Asks all of them, and gives them back in their order. Each looks through its copy of `target`, where all
/// go to one release.
pub async fn inspect(members: &[Member], app: &AppName, target: Option<Digest>) -> Vec<Inspected> {
    let tasks = members.iter().map(|member| {
        let app = app.clone();
        let client = member.client.as_ref().cloned().map_err(unreachable);
        let skip = member.skip.clone();
        let task = async move {
            match (skip, client) {
                (Some(reason), client) => Err(look_at_skipped(reason, client.ok(), &app).await),
                (None, Err(unreachable)) => Ok(Err(unreachable)),
                (None, Ok(client)) => {
                    Ok(ask(&client, &app, target).await.map_err(|error| unreachable(&error)))
                }
            }
        };
        (member.host.clone(), task)
    });
    let answers = ask_hosts(AT_ONCE, tasks).await.into_iter();
    let inspected = |(member, (host, found)): (&Member, (HostName, Result<_, _>))| Inspected {
        host,
        labels: member.labels.clone(),
        found: found.unwrap_or_else(|_| Ok(Err(defect()))),
    };
    members.iter().zip(answers).map(inspected).collect()
}

/// A host that has seen a higher epoch than this, if one has: it takes no order of ours.
pub fn seen_above(inspected: &[Inspected], epoch: u64) -> Option<(HostName, u64)> {
    let seen = |host: &Inspected| match &host.found {
        Ok(Ok(found)) if found.health.epoch > epoch => {
            Some((host.host.clone(), found.health.epoch))
        }
        _ => None,
    };
    inspected.iter().filter_map(seen).max_by_key(|(_, epoch)| *epoch)
}

/// A held host is asked what it runs, and nothing hangs on its answer. No other is spoken to.
async fn look_at_skipped(
    reason: SkipReason,
    client: Option<UpdaterClient>,
    app: &AppName,
) -> SkippedHost {
    let held = matches!(reason, SkipReason::Held(_));
    let health = match client.filter(|_| held) {
        Some(client) => client.health().await.ok(),
        None => None,
    };
    let active = health.and_then(|mut health| health.apps.remove(app)?.active);
    SkippedHost { reason, runs: active.map(|active| active.digest) }
}

/// A host whose releases cannot be listed still says how it is.
async fn ask(
    client: &UpdaterClient,
    app: &AppName,
    target: Option<Digest>,
) -> Result<InspectedHost, ClientError> {
    let health = client.fresh_health().await?;
    let releases = match target {
        Some(target) => client.releases_checked(target).await,
        None => client.releases().await,
    };
    let releases = releases.ok().and_then(|mut all| all.apps.remove(app));
    Ok(InspectedHost { health, releases })
}
