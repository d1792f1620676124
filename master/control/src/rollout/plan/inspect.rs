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
    /// Why it was not asked, or how it was found.
    pub found: Result<Result<InspectedHost, Observation>, SkipReason>,
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
        let client = match (member.skip.clone(), &member.client) {
            (Some(reason), _) => Err(Err(reason)),
            (None, Err(error)) => Err(Ok(Err(unreachable(error)))),
            (None, Ok(client)) => Ok(client.clone()),
        };
        let task = async move {
            match client {
                Ok(client) => {
                    Ok(ask(&client, &app, target).await.map_err(|error| unreachable(&error)))
                }
                Err(found) => found,
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
