//! Every host is asked how it is. Nothing is asked that changes anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::{AppName, AppReleases, Health, HostName};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::fleet::Member;
use crate::rollout::engine::Observation;
use crate::rollout::row::{defect, unreachable};
use crate::updater_client::{ClientError, UpdaterClient};

/// How many hosts are asked at once.
const AT_ONCE: usize = 64;

/// A host, and how it was found.
#[derive(Debug)]
pub struct Inspected {
    pub host: HostName,
    pub labels: BTreeMap<String, String>,
    /// Why it was not asked, or how it was found.
    pub found: Result<Result<InspectedHost, Observation>, &'static str>,
}

/// What a host said.
#[derive(Debug)]
pub struct InspectedHost {
    /// Its `/health`.
    pub health: Health,
    /// Its releases of the app; absent where it did not say.
    pub releases: Option<AppReleases>,
}

/// Asks all of them, and gives them back in their order.
pub async fn inspect(members: &[Member], app: &AppName) -> Vec<Inspected> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = JoinSet::new();
    let mut answers = BTreeMap::new();
    for (number, member) in members.iter().enumerate() {
        match (&member.skip, &member.worker) {
            (Some(reason), _) => drop(answers.insert(number, Err(*reason))),
            (None, Err(error)) => drop(answers.insert(number, Ok(Err(unreachable(error))))),
            (None, Ok(worker)) => {
                let (places, worker, app) = (Arc::clone(&places), worker.clone(), app.clone());
                asked.spawn(async move {
                    let _place = places.acquire().await;
                    (number, ask(&worker, &app).await.map_err(|error| unreachable(&error)))
                });
            }
        }
    }
    while let Some(answer) = asked.join_next().await {
        if let Ok((number, found)) = answer {
            answers.insert(number, Ok(found));
        }
    }
    let inspected = |(number, member): (usize, &Member)| Inspected {
        host: member.host.clone(),
        labels: member.labels.clone(),
        // Only a defect of this program leaves a host without its answer. It is not hidden.
        found: answers.remove(&number).unwrap_or_else(|| Ok(Err(defect()))),
    };
    members.iter().enumerate().map(inspected).collect()
}

/// A host whose releases cannot be listed still says how it is.
async fn ask(worker: &UpdaterClient, app: &AppName) -> Result<InspectedHost, ClientError> {
    let health = worker.health().await?;
    let releases = worker.releases().await.ok().and_then(|mut all| all.apps.remove(app));
    Ok(InspectedHost { health, releases })
}
