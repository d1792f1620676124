//! `releases.json`: what this host found out about each release. It lies in the state directory,
//! out of reach of the release itself.

use std::collections::BTreeMap;
use std::path::Path;

use common::{StateFileError, state_file};
use protocol::{Digest, FORMAT, ReleaseState};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What is known of all releases of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseStates {
    format: u32,
    releases: BTreeMap<Digest, RecordedState>,
}

/// What is known of one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedState {
    /// The hash over its tree after the build, without the record and the links.
    pub tree: Option<Digest>,
    /// When it was whole on the disk.
    #[serde(with = "time::serde::rfc3339")]
    pub staged_at: OffsetDateTime,
    /// When it was last proven.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub proven_at: Option<OffsetDateTime>,
    /// When it last failed after a switch.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub failed_at: Option<OffsetDateTime>,
    #[serde(default)]
    pub failure: Option<String>,
    /// The trusted key that signed it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// Refused until a caller says otherwise, or it is proven.
    #[serde(default)]
    pub quarantined: bool,
}

impl Default for ReleaseStates {
    fn default() -> Self {
        Self { format: FORMAT, releases: BTreeMap::new() }
    }
}

impl ReleaseStates {
    /// Reads them. An app that never had a release has none.
    pub fn read(path: &Path) -> Result<Self, StateFileError> {
        Ok(state_file::read(path, FORMAT)?.unwrap_or_default())
    }

    /// Puts them on the disk, whole.
    pub fn write(&self, path: &Path) -> Result<(), StateFileError> {
        state_file::write(path, self)
    }

    /// What is known of a release.
    pub fn get(&self, digest: &Digest) -> Option<&RecordedState> {
        self.releases.get(digest)
    }

    /// Every release that something is known of.
    pub fn iter(&self) -> impl Iterator<Item = (&Digest, &RecordedState)> {
        self.releases.iter()
    }

    /// Whether an order for it is refused.
    pub fn quarantined(&self, digest: &Digest) -> bool {
        self.get(digest).is_some_and(|fact| fact.quarantined)
    }

    /// Whether it was proven here, and did not fail since.
    pub fn proven(&self, digest: &Digest) -> bool {
        self.get(digest).is_some_and(|fact| fact.proven_at.is_some() && fact.failed_at.is_none())
    }

    /// Whether the last thing that is known of it is a failure.
    pub fn failed_here(&self, digest: &Digest) -> bool {
        self.get(digest).is_some_and(|fact| fact.failed_at.is_some())
    }

    /// Whether it was whole on the disk, and its directory was not removed since.
    pub fn whole(&self, digest: &Digest) -> bool {
        self.get(digest).is_some_and(|fact| fact.tree.is_some() || fact.proven_at.is_some())
    }

    /// Whether nothing is known of any release.
    pub fn is_empty(&self) -> bool {
        self.releases.is_empty()
    }

    /// It is being built: until it is [`Self::staged`], what lies in its place is not whole, whatever
    /// it looks like.
    pub fn begun(&mut self, digest: Digest, now: OffsetDateTime) {
        self.removed(&digest);
        self.entry(digest, now);
    }

    /// It is whole on the disk. What was known of an earlier copy stays known.
    pub fn staged(&mut self, digest: Digest, tree: Option<Digest>, now: OffsetDateTime) {
        let fact = self.entry(digest, now);
        fact.tree = tree;
        fact.staged_at = now;
    }

    /// A trusted key has signed it.
    pub fn signed(&mut self, digest: Digest, key: &str, now: OffsetDateTime) {
        self.entry(digest, now).signed_by = Some(key.to_owned());
    }

    /// It answered as itself. That lifts a quarantine.
    pub fn proved(&mut self, digest: Digest, now: OffsetDateTime) {
        let fact = self.entry(digest, now);
        fact.proven_at = Some(now);
        fact.failed_at = None;
        fact.failure = None;
        fact.quarantined = false;
    }

    /// It was switched to and could not be proven. One that was proven here before is not
    /// quarantined: then the cause is elsewhere.
    pub fn failed(&mut self, digest: Digest, why: &str, now: OffsetDateTime) {
        let fact = self.entry(digest, now);
        fact.failed_at = Some(now);
        fact.failure = Some(why.to_owned());
        fact.quarantined = fact.proven_at.is_none();
    }

    /// Its directory is gone. A quarantine outlives it.
    pub fn removed(&mut self, digest: &Digest) {
        match self.releases.get_mut(digest) {
            Some(fact) if fact.quarantined => fact.tree = None,
            _ => drop(self.releases.remove(digest)),
        }
    }

    /// Every directory but these is gone. Whoever removed it may have died before it said so.
    pub fn only(&mut self, stored: &[Digest]) {
        let gone: Vec<_> =
            self.releases.keys().filter(|digest| !stored.contains(digest)).copied().collect();
        for digest in gone {
            self.removed(&digest);
        }
    }

    fn entry(&mut self, digest: Digest, now: OffsetDateTime) -> &mut RecordedState {
        self.releases.entry(digest).or_insert(RecordedState {
            tree: None,
            staged_at: now,
            proven_at: None,
            failed_at: None,
            failure: None,
            signed_by: None,
            quarantined: false,
        })
    }
}

impl RecordedState {
    pub const fn state(&self) -> ReleaseState {
        match (self.failed_at, self.proven_at) {
            (Some(_), _) => ReleaseState::Failed,
            (None, Some(_)) => ReleaseState::Proven,
            (None, None) => ReleaseState::Staged,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);
    const DIGEST: Digest = Digest::from_bytes([1; 32]);

    #[test]
    fn a_failure_quarantines_and_a_proof_lifts_it() {
        let mut facts = ReleaseStates::default();
        facts.staged(DIGEST, None, NOW);
        assert!(!facts.quarantined(&DIGEST));
        facts.failed(DIGEST, "it answered 500", NOW);
        assert!(facts.quarantined(&DIGEST));
        facts.removed(&DIGEST);
        assert!(facts.quarantined(&DIGEST), "the quarantine outlives the directory");
        facts.proved(DIGEST, NOW);
        assert!(!facts.quarantined(&DIGEST));
        assert_eq!(facts.get(&DIGEST).unwrap().state(), ReleaseState::Proven);
    }

    #[test]
    fn a_release_that_was_proven_here_is_never_quarantined() {
        let mut facts = ReleaseStates::default();
        facts.proved(DIGEST, NOW);
        facts.failed(DIGEST, "the disk was full", NOW);
        assert!(!facts.quarantined(&DIGEST));
    }

    #[test]
    fn a_release_that_is_being_built_is_not_whole_whatever_was_known_of_it() {
        let mut facts = ReleaseStates::default();
        facts.begun(DIGEST, NOW);
        assert!(!facts.is_empty() && !facts.whole(&DIGEST));
        facts.proved(DIGEST, NOW);
        facts.staged(DIGEST, Some(DIGEST), NOW);
        facts.begun(DIGEST, NOW);
        assert!(!facts.whole(&DIGEST));
        facts.failed(DIGEST, "why", NOW);
        facts.begun(DIGEST, NOW);
        assert!(facts.quarantined(&DIGEST) && !facts.whole(&DIGEST));
    }

    #[test]
    fn facts_of_an_updater_that_knew_no_signatures_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("releases.json");
        let text = format!(
            r#"{{"format": 1, "releases": {{"{DIGEST}": {{"tree": null, "staged_at": "2026-01-02T03:04:05Z",
            "proven_at": null, "failed_at": null, "failure": null, "quarantined": false}}}}}}"#
        );
        fs::write(&path, text).unwrap();
        let mut facts = ReleaseStates::read(&path).unwrap();
        assert_eq!(facts.get(&DIGEST).unwrap().signed_by, None);
        facts.signed(DIGEST, "RW", NOW);
        facts.write(&path).unwrap();
        assert_eq!(ReleaseStates::read(&path).unwrap(), facts);
    }

    #[test]
    fn facts_survive_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("releases.json");
        assert_eq!(ReleaseStates::read(&path).unwrap(), ReleaseStates::default());
        let mut facts = ReleaseStates::default();
        facts.failed(DIGEST, "why", NOW);
        facts.write(&path).unwrap();
        assert_eq!(ReleaseStates::read(&path).unwrap(), facts);
        fs::write(&path, r#"{"format": 2, "releases": {}}"#).unwrap();
        assert!(ReleaseStates::read(&path).is_err());
    }
}
