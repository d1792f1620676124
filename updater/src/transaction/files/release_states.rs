//! `releases.json`: what this host found out about each release. It lies in the state directory,
//! out of reach of the release itself.

use std::collections::BTreeMap;
use std::path::Path;

use common::{StateFileError, state_file};
use protocol::{Code, Digest, FORMAT, Problem, ReleaseState};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What this host found out about all releases of an app.
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
    /// What of its tree was left out of that hash: the updater's own names at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Vec<String>>,
    /// When it was whole on the disk.
    #[serde(with = "time::serde::rfc3339")]
    pub staged_at: OffsetDateTime,
    /// When it was last proven.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub proven_at: Option<OffsetDateTime>,
    /// When it last failed after a switch. Of one that was proven before, that is a note: the way to it
    /// failed, and not the release.
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
    /// The rescue came back from it: it has failed, though it was proven.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rescued_from: bool,
    /// Of a release of the updater: it finds releases by their short names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub knows_short_names: bool,
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
        self.get(digest).is_some_and(|state| state.quarantined)
    }

    /// A release that failed on this host before is taken again only when the order says so.
    pub fn refuse_quarantined(&self, digest: &Digest, retry: bool) -> Result<(), Problem> {
        if retry || !self.quarantined(digest) {
            return Ok(());
        }
        let why = self.get(digest).and_then(|state| state.failure.as_deref());
        let why = why.unwrap_or("it could not be proven");
        let detail = format!(
            "{} failed on this host before ({why}); if the reason is gone, for example because \
             updater.toml was changed, --retry-quarantined takes it again",
            digest.short()
        );
        Err(Problem { target: Some(*digest), ..Problem::new(Code::Quarantined, detail) })
    }

    /// Whether it was proven here.
    pub fn proven(&self, digest: &Digest) -> bool {
        self.get(digest).is_some_and(|state| state.state() == ReleaseState::Proven)
    }

    /// Whether it failed here, and was never proven.
    pub fn failed_here(&self, digest: &Digest) -> bool {
        self.get(digest).is_some_and(|state| state.state() == ReleaseState::Failed)
    }

    /// Whether it was whole on the disk, and its directory was not removed since.
    pub fn whole(&self, digest: &Digest) -> bool {
        self.get(digest).is_some_and(|state| state.tree.is_some() || state.proven_at.is_some())
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
        let state = self.entry(digest, now);
        state.tree = tree;
        state.staged_at = now;
    }

    /// What was left out of the hash of its tree.
    pub fn skipped(&mut self, digest: Digest, names: Vec<String>, now: OffsetDateTime) {
        self.entry(digest, now).skipped = Some(names);
    }

    /// The copy of it that was there before is there again.
    pub fn put_back(&mut self, digest: Digest, state: RecordedState) {
        self.releases.insert(digest, state);
    }

    /// A trusted key has signed it.
    pub fn signed(&mut self, digest: Digest, key: &str, now: OffsetDateTime) {
        self.entry(digest, now).signed_by = Some(key.to_owned());
    }

    /// It answered as itself. That lifts a quarantine.
    pub fn proved(&mut self, digest: Digest, now: OffsetDateTime) {
        let state = self.entry(digest, now);
        state.proven_at = Some(now);
        state.failed_at = None;
        state.failure = None;
        state.quarantined = false;
        state.rescued_from = false;
    }

    /// It was switched to and could not be proven. One that was proven here before stays so, and is not
    /// quarantined: then the cause is elsewhere.
    pub fn failed(&mut self, digest: Digest, why: &str, now: OffsetDateTime) {
        let state = self.entry(digest, now);
        state.failed_at = Some(now);
        state.failure = Some(why.to_owned());
        state.quarantined = state.proven_at.is_none();
    }

    /// The rescue came back from it: it did not last, whatever was proven before. It is not taken again.
    pub fn rescued_from(&mut self, digest: Digest, why: &str, now: OffsetDateTime) {
        self.failed(digest, why, now);
        let state = self.entry(digest, now);
        state.rescued_from = true;
        state.quarantined = true;
    }

    /// This release of the updater has said that it knows short names. Nothing is noted of one that is not
    /// kept.
    pub fn knows_short_names(&mut self, digest: &Digest) {
        if let Some(state) = self.releases.get_mut(digest) {
            state.knows_short_names = true;
        }
    }

    /// Its directory is gone. A quarantine outlives it.
    pub fn removed(&mut self, digest: &Digest) {
        match self.releases.get_mut(digest) {
            Some(state) if state.quarantined => state.tree = None,
            _ => drop(self.releases.remove(digest)),
        }
    }

    /// Every directory but these is gone. The updater that removed it may have died before it said so.
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
            skipped: None,
            staged_at: now,
            proven_at: None,
            failed_at: None,
            failure: None,
            signed_by: None,
            quarantined: false,
            rescued_from: false,
            knows_short_names: false,
        })
    }
}

impl RecordedState {
    pub const fn state(&self) -> ReleaseState {
        match (self.proven_at, self.failed_at) {
            (Some(_), _) if !self.rescued_from => ReleaseState::Proven,
            (_, Some(_)) => ReleaseState::Failed,
            (_, None) => ReleaseState::Staged,
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
        let mut states = ReleaseStates::default();
        states.staged(DIGEST, None, NOW);
        assert!(!states.quarantined(&DIGEST));
        states.failed(DIGEST, "it answered 500", NOW);
        assert!(states.quarantined(&DIGEST));
        states.removed(&DIGEST);
        assert!(states.quarantined(&DIGEST), "the quarantine outlives the directory");
        states.proved(DIGEST, NOW);
        assert!(!states.quarantined(&DIGEST));
        assert_eq!(states.get(&DIGEST).unwrap().state(), ReleaseState::Proven);
    }

    #[test]
    fn a_release_that_was_proven_here_stays_so_when_the_way_back_to_it_fails() {
        let mut states = ReleaseStates::default();
        states.proved(DIGEST, NOW);
        states.failed(DIGEST, "the disk was full", NOW);
        assert!(!states.quarantined(&DIGEST) && !states.failed_here(&DIGEST));
        assert!(states.proven(&DIGEST));
        assert_eq!(states.get(&DIGEST).unwrap().failure.as_deref(), Some("the disk was full"));

        states.rescued_from(DIGEST, "it kept dying", NOW);
        assert!(states.failed_here(&DIGEST) && !states.proven(&DIGEST));
        assert!(states.quarantined(&DIGEST), "it would be taken again, and rescued from again");
        states.proved(DIGEST, NOW);
        assert!(states.proven(&DIGEST) && !states.quarantined(&DIGEST));
    }

    #[test]
    fn a_release_that_is_being_built_is_not_whole_whatever_was_known_of_it() {
        let mut states = ReleaseStates::default();
        states.begun(DIGEST, NOW);
        assert!(!states.is_empty() && !states.whole(&DIGEST));
        states.proved(DIGEST, NOW);
        states.staged(DIGEST, Some(DIGEST), NOW);
        states.begun(DIGEST, NOW);
        assert!(!states.whole(&DIGEST));
        states.failed(DIGEST, "why", NOW);
        states.begun(DIGEST, NOW);
        assert!(states.quarantined(&DIGEST) && !states.whole(&DIGEST));
    }

    #[test]
    fn states_of_an_updater_that_knew_no_signatures_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("releases.json");
        let text = format!(
            r#"{{"format": 1, "releases": {{"{DIGEST}": {{"tree": null, "staged_at": "2026-01-02T03:04:05Z",
            "proven_at": null, "failed_at": null, "failure": null, "quarantined": false}}}}}}"#
        );
        fs::write(&path, text).unwrap();
        let mut states = ReleaseStates::read(&path).unwrap();
        assert_eq!(states.get(&DIGEST).unwrap().signed_by, None);
        states.signed(DIGEST, "RW", NOW);
        states.write(&path).unwrap();
        assert_eq!(ReleaseStates::read(&path).unwrap(), states);
    }

    #[test]
    fn release_states_survive_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("releases.json");
        assert_eq!(ReleaseStates::read(&path).unwrap(), ReleaseStates::default());
        let mut states = ReleaseStates::default();
        states.failed(DIGEST, "why", NOW);
        states.write(&path).unwrap();
        assert_eq!(ReleaseStates::read(&path).unwrap(), states);
        fs::write(&path, r#"{"format": 2, "releases": {}}"#).unwrap();
        assert!(ReleaseStates::read(&path).is_err());
    }
}
