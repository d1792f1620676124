//! The releases that this master knows: which of them are needed, and which may go.
//!
//! What a host runs, should run or would go back to, and what a rollout sends that has not ended, always
//! stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use explain::{Exit, Explain, FailureCode};
use protocol::{AppName, Digest, HostName};
use serde::Serialize;
use store::{Event, EventType, KnownRelease, Store, StoreError};
use time::{Duration, OffsetDateTime};

use crate::home::Home;

/// How directories begin in which archives are made.
pub(super) const PACKING: &str = ".packing-";
/// What is half packed for so long is of a run that was killed: no packing takes a day.
const HALF_PACKED: Duration = Duration::days(1);
/// How many open rollouts are looked at.
const ROLLOUTS: u32 = 10_000;

/// A release, and what is known of it.
#[derive(Debug, Serialize)]
pub struct KeptRelease {
    #[serde(flatten)]
    pub release: KnownRelease,
    /// Whether its archive is kept here.
    pub archive: bool,
    /// The hosts that should run it.
    pub hosts: Vec<HostName>,
    /// The hosts that run it, or would go back to it, by what their last rollouts came to.
    pub kept_for: Vec<HostName>,
    /// Whether a rollout that has not ended sends it.
    pub in_rollout: bool,
    /// Whether it failed somewhere, and is sent nowhere.
    pub quarantined: bool,
}

impl KeptRelease {
    /// Whether nothing needs it.
    pub fn check_removable(&self) -> Result<(), RemoveError> {
        let release = self.release.digest;
        match (self.hosts.as_slice(), self.kept_for.as_slice()) {
            ([], []) if self.in_rollout => Err(RemoveError::InRollout(release)),
            ([], []) => Ok(()),
            ([], hosts) => Err(RemoveError::KeptFor { release, hosts: hosts.to_vec() }),
            (hosts, _) => Err(RemoveError::Needed { release, hosts: hosts.to_vec() }),
        }
    }
}

/// Why a release was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    #[error("remove {}: {} should run it", .release, listed(.hosts))]
    Needed { release: Digest, hosts: Vec<HostName> },
    #[error("remove {}: {} runs it, or would go back to it", .release, listed(.hosts))]
    KeptFor { release: Digest, hosts: Vec<HostName> },
    #[error("remove {0}: a rollout that has not ended sends it")]
    InRollout(Digest),
    #[error("remove the archive of {release}")]
    Archive { release: Digest, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Explain for RemoveError {
    fn code(&self) -> FailureCode {
        match self {
            Self::Needed { .. } | Self::KeptFor { .. } | Self::InRollout(_) => {
                FailureCode::ReleaseInUse
            }
            _ => FailureCode::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Needed { .. } | Self::KeptFor { .. } => {
                Some("put another release there first".to_owned())
            }
            Self::InRollout(_) => Some("run: swarm rollout list".to_owned()),
            Self::Archive { .. } => None,
            Self::Store(error) => error.hint(),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

/// All of them, the last one seen first.
pub fn kept_releases(home: &Home, store: &Store) -> Result<Vec<KeptRelease>, StoreError> {
    let mut hosts: BTreeMap<Digest, BTreeSet<HostName>> = BTreeMap::new();
    for desired in store.all_desired()? {
        hosts.entry(desired.digest).or_default().insert(desired.host);
    }
    let mut kept_for: BTreeMap<Digest, BTreeSet<HostName>> = BTreeMap::new();
    for (host, release) in on_hosts(store)? {
        kept_for.entry(release).or_default().insert(host);
    }
    let open = store.rollouts(true, ROLLOUTS)?;
    let sent: BTreeSet<_> = open.iter().filter_map(|rollout| rollout.release).collect();
    let kept = |release: KnownRelease| {
        Ok(KeptRelease {
            archive: home.archive(&release.digest).is_file(),
            hosts: hosts.get(&release.digest).into_iter().flatten().cloned().collect(),
            kept_for: kept_for.get(&release.digest).into_iter().flatten().cloned().collect(),
            in_rollout: sent.contains(&release.digest),
            quarantined: store.is_quarantined(&release.digest)?,
            release,
        })
    };
    store.releases()?.into_iter().map(kept).collect()
}

/// What each host runs, and the release that it ran before: where a rollback goes.
fn on_hosts(store: &Store) -> Result<Vec<(HostName, Digest)>, StoreError> {
    const RUNS_AND_RAN: usize = 2;
    let mut seen: BTreeMap<(HostName, AppName), Vec<Digest>> = BTreeMap::new();
    for (host, app, release) in store.releases_on_hosts()? {
        let seen = seen.entry((host, app)).or_default();
        if seen.len() < RUNS_AND_RAN && !seen.contains(&release) {
            seen.push(release);
        }
    }
    let releases = seen.into_iter().flat_map(|((host, _), releases)| {
        releases.into_iter().map(move |release| (host.clone(), release))
    });
    Ok(releases.collect())
}

/// Forgets a release, and removes its archive.
pub fn remove_release(
    home: &Home,
    store: &Store,
    kept: &KeptRelease,
    (who, now): (&str, OffsetDateTime),
) -> Result<(), RemoveError> {
    kept.check_removable()?;
    let release = kept.release.digest;
    let event = Event { release: Some(release), ..Event::new(EventType::ReleaseRemoved, now, who) };
    store.remove_release(&release, &event)?;
    match fs::remove_file(home.archive(&release)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(RemoveError::Archive { release, source: error })
        }
        _ => Ok(()),
    }
}

/// Those that are neither among the last `keep` of their name nor needed.
pub fn superfluous(kept: Vec<KeptRelease>, keep: usize) -> Vec<KeptRelease> {
    let mut seen: BTreeMap<Option<String>, usize> = BTreeMap::new();
    kept.into_iter()
        .filter(|kept| {
            let seen = seen.entry(kept.release.name.clone()).or_default();
            *seen += 1;
            *seen > keep && kept.check_removable().is_ok()
        })
        .collect()
}

/// Removes what a run that was killed has left half packed; gives back how many there were.
pub fn sweep_half_packed(archives: &Path, now: OffsetDateTime) -> usize {
    let entries = fs::read_dir(archives).into_iter().flatten().flatten();
    let old = |entry: &fs::DirEntry| {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = |time| now - OffsetDateTime::from(time) > HALF_PACKED;
        entry.file_name().to_string_lossy().starts_with(PACKING) && modified.is_ok_and(is_old)
    };
    entries.filter(old).filter(|entry| remove_flat(&entry.path()).is_ok()).count()
}

/// Removes a directory that has only files.
fn remove_flat(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        fs::remove_file(entry?.path())?;
    }
    fs::remove_dir(directory)
}

fn listed(hosts: &[HostName]) -> String {
    match hosts {
        [one] => one.to_string(),
        [one, others @ ..] => format!("{one} and {} more", others.len()),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use testing::at;

    use super::*;

    fn kept(fill: u8, name: &str, hosts: &[&str]) -> KeptRelease {
        KeptRelease {
            release: KnownRelease {
                digest: Digest::from_bytes([fill; 32]),
                name: Some(name.to_owned()),
                version: None,
                sha: None,
                size: 1,
                packed_at: at(0),
            },
            archive: true,
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            kept_for: Vec::new(),
            in_rollout: false,
            quarantined: false,
        }
    }

    #[test]
    fn the_last_of_each_name_and_what_is_needed_stay() {
        let all = vec![
            kept(5, "web", &[]),
            kept(4, "web", &["web-1"]),
            kept(3, "web", &[]),
            KeptRelease { in_rollout: true, ..kept(2, "web", &[]) },
            KeptRelease { kept_for: vec!["web-2".parse().unwrap()], ..kept(9, "web", &[]) },
            kept(1, "db", &[]),
        ];
        let gone = superfluous(all, 1);
        let digests: Vec<_> = gone.iter().map(|kept| kept.release.digest).collect();
        assert_eq!(digests, [Digest::from_bytes([3; 32])]);
    }

    #[test]
    fn what_was_left_half_packed_goes_and_what_is_being_packed_stays() {
        let directory = tempfile::tempdir().unwrap();
        for name in [".packing-old", "kept"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        fs::write(directory.path().join(".packing-old/.swarm-x"), "half").unwrap();
        let now = OffsetDateTime::now_utc();
        assert_eq!(sweep_half_packed(directory.path(), now), 0);
        assert_eq!(sweep_half_packed(directory.path(), now + Duration::days(2)), 1);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
