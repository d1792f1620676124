//! Where a host goes that is to go back, and when that has to be said with more words.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Action, PlannedHost};
use protocol::{
    AppHealth, AppReleases, Digest, HostName, Kind, LastTransaction, Outcome, Release, ReleaseState,
};

use crate::rollout::RolloutError;

/// Where a plain rollback takes a host.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct WayBack {
    pub(super) to: Option<Digest>,
    /// What an operator should know of it.
    pub(super) note: Option<String>,
    /// Whether the host went back before, so that this would be the way forward again.
    pub(super) forward: bool,
    /// Whether the host took its last release back by itself.
    pub(super) went_back_itself: bool,
}

/// Of an update that is under way, what it came from. Else the release before; where that is quarantined or failed, the newest proven one before it.
pub(super) fn way_back(
    app: &AppHealth,
    kept: Option<&AppReleases>,
    quarantined: &BTreeSet<Digest>,
) -> WayBack {
    let active = app.active.as_ref().map(|active| active.digest);
    let last = app.last.as_ref();
    if let Some(to) = app.undoes_to {
        let note = active.map(|active| format!("it takes back its update to {}", active.short()));
        return WayBack { to: Some(to), note, ..WayBack::default() };
    }
    let went_back_itself = last.is_some_and(|last| is_reversal(last, Kind::Update));
    let Some(kept) = kept else { return WayBack { went_back_itself, ..WayBack::default() } };
    let forward = last.is_some_and(|last| {
        is_reversal(last, Kind::Rollback) && last.code.is_none() && last.from == kept.prev
    });
    let good = |release: &&Release| is_good(release, quarantined) && Some(release.digest) != active;
    let place = kept.releases.iter().position(|release| Some(release.digest) == kept.prev);
    let (to, note) = match (kept.prev, place) {
        (Some(prev), Some(place)) if !is_good(&kept.releases[place], quarantined) => {
            let before = kept.releases[place + 1..].iter().find(good);
            let to = before.map(|release| release.digest);
            let where_to = match to {
                Some(to) => format!("it goes to {}, the newest proven one before", to.short()),
                None => "and no proven one is before it".to_owned(),
            };
            (to, Some(format!("its release before, {}, failed; {where_to}", prev.short())))
        }
        (prev, place) => (prev, place.and_then(|place| failed_before(&kept.releases[place]))),
    };
    WayBack { to, note, forward, went_back_itself }
}

fn is_good(release: &Release, quarantined: &BTreeSet<Digest>) -> bool {
    release.state == ReleaseState::Proven
        && !release.quarantined
        && !quarantined.contains(&release.digest)
}

/// What became of the last try to go to a release that was proven there.
fn failed_before(release: &Release) -> Option<String> {
    let why = release.failure.as_ref()?;
    Some(format!("the last way to {} failed: {why}", release.digest.short()))
}

/// Whether a transaction of this kind ended on the release before.
fn is_reversal(last: &LastTransaction, kind: Kind) -> bool {
    last.kind == kind && last.outcome == Outcome::RolledBack
}

/// Refuses a plain rollback that would not do one thing: hosts would go to different releases, some
/// went back by themselves already, or would go forward again. `ways` are those of `hosts`.
pub(super) fn check(
    hosts: &[PlannedHost],
    ways: &BTreeMap<HostName, WayBack>,
    each: bool,
) -> Result<(), RolloutError> {
    let goes = || hosts.iter().filter(|host| host.action == Action::Rollback);
    let way = |host: &PlannedHost| ways.get(&host.host);
    let named =
        |hosts: Vec<&PlannedHost>| hosts.into_iter().map(|host| host.host.clone()).collect();
    let forward: Vec<_> = goes().filter(|host| way(host).is_some_and(|way| way.forward)).collect();
    if !forward.is_empty() {
        return Err(RolloutError::Forward(named(forward)));
    }
    if each {
        return Ok(());
    }
    let itself: Vec<_> =
        goes().filter(|host| way(host).is_some_and(|way| way.went_back_itself)).collect();
    if !itself.is_empty() {
        return Err(RolloutError::WentBack { hosts: named(itself), of: goes().count() });
    }
    let mut targets: BTreeMap<Digest, Vec<HostName>> = BTreeMap::new();
    for host in goes() {
        if let Some(to) = host.to {
            targets.entry(to).or_default().push(host.host.clone());
        }
    }
    if targets.len() > 1 {
        return Err(RolloutError::Uneven(targets));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::updater_client::testing::{digest, health};

    fn app(active: u8, last: &Value) -> AppHealth {
        let mut health = health("idle", None, last);
        health["apps"]["agent"]["active"]["digest"] = json!(digest(active));
        serde_json::from_value(health["apps"]["agent"].clone()).unwrap()
    }

    /// The newest first, each with whether it failed.
    fn kept(active: u8, prev: u8, releases: &[(u8, bool)]) -> AppReleases {
        let release = |(number, failed): &(u8, bool)| {
            json!({
                "digest": digest(*number), "path": "/x", "quarantined": failed,
                "state": if *failed { "failed" } else { "proven" },
            })
        };
        let releases: Vec<_> = releases.iter().map(release).collect();
        let kept = json!({"active": digest(active), "prev": digest(prev), "releases": releases});
        serde_json::from_value(kept).unwrap()
    }

    fn ended(kind: &str, code: Option<&str>, from: u8, to: u8) -> Value {
        json!({
            "format": 1, "transaction": crate::updater_client::testing::TRANSACTION, "kind": kind,
            "outcome": "rolled_back", "code": code, "from": digest(from), "to": digest(to),
            "target": null, "started_at": "2026-01-01T00:00:00Z",
            "ended_at": "2026-01-01T00:00:01Z", "caller": "master",
        })
    }

    #[test]
    fn a_host_goes_to_the_newest_proven_release_before() {
        let to = |kept: &AppReleases, quarantined: &[u8]| {
            let quarantined = quarantined.iter().map(|number| digest(*number)).collect();
            way_back(&app(4, &Value::Null), Some(kept), &quarantined).to
        };
        let good = kept(4, 3, &[(4, false), (3, false), (2, false)]);
        assert_eq!(to(&good, &[]), Some(digest(3)));
        assert_eq!(to(&good, &[3]), Some(digest(2)));
        assert_eq!(to(&kept(4, 3, &[(4, false), (3, true), (2, false)]), &[]), Some(digest(2)));
        assert_eq!(to(&kept(4, 3, &[(4, false), (3, true)]), &[]), None);
    }

    #[test]
    fn a_way_back_that_failed_before_is_told_and_stays() {
        let mut kept = kept(2, 1, &[(2, false), (1, false)]);
        kept.releases[1].failure = Some("exited with status 1".to_owned());
        let way = way_back(&app(2, &Value::Null), Some(&kept), &BTreeSet::new());
        assert_eq!(way.to, Some(digest(1)));
        let note = way.note.unwrap();
        assert!(note.ends_with("failed: exited with status 1"), "{note}");
    }

    #[test]
    fn a_second_rollback_would_go_forward_and_a_reversal_was_one_already() {
        let kept = kept(2, 3, &[(3, false), (2, false)]);
        let way = |last: &Value| way_back(&app(2, last), Some(&kept), &BTreeSet::new());
        let back = way(&ended("rollback", None, 3, 2));
        assert!(back.forward && !back.went_back_itself);
        let itself = way(&ended("update", Some("rolled_back"), 2, 2));
        assert!(!itself.forward && itself.went_back_itself);
    }
}
