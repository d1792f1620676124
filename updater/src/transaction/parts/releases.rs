//! What is on the disk of an app: which releases are whole and may be activated, and how much room
//! there is for another one.

use common::StateFileError;
use nix::errno::Errno;
use protocol::{
    ActiveRelease, AppReleases, Code, Digest, Problem, RELEASE_RECORD, Release, ReleaseRecord,
    ReleaseSlot, ReleaseState, SlotRelease, Space,
};

use super::AppSettings;
use crate::release::{NameLength, RecordError, Slot, TreeError, TreeList, is_sealed, read_record};
use crate::sys::free_space;
use crate::transaction::{Failure, RecordedState, ReleaseStates};

/// Why it cannot be told whether a release is kept.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What was found out about it cannot be read.
    #[error(transparent)]
    ReleaseStates(#[from] StateFileError),
}

impl From<KeptError> for Failure {
    fn from(error: KeptError) -> Self {
        Self::host(&error)
    }
}

impl AppSettings {
    /// What this host found out about the app's releases.
    pub fn release_states(&self) -> Result<ReleaseStates, StateFileError> {
        ReleaseStates::read(&self.files.release_states())
    }

    /// Changes what this host knows about the app's releases, durably.
    pub(in crate::transaction) fn change_release_states(
        &self,
        change: impl FnOnce(&mut ReleaseStates),
    ) -> Result<(), StateFileError> {
        let before = self.release_states()?;
        let mut states = before.clone();
        change(&mut states);
        if states == before { Ok(()) } else { states.write(&self.files.release_states()) }
    }

    /// How long the names of new releases are: short, unless an updater is kept here that knows only whole
    /// ones. The rescue goes back to such a one without asking it, and it would find no release.
    pub(in crate::transaction) fn name_length(&self) -> Result<NameLength, StateFileError> {
        let updaters = ReleaseStates::read(&self.updaters)?;
        let mut proven = updaters.iter().filter(|(_, state)| state.state() == ReleaseState::Proven);
        let all_know = proven.all(|(_, state)| state.knows_short_names);
        Ok(if all_know { NameLength::Short } else { NameLength::Whole })
    }

    /// Notes that the updater of this release, which runs, knows short names, if it is one that is kept.
    pub(crate) fn note_short_names(&self, running: Digest) -> Result<(), StateFileError> {
        self.change_release_states(|states| states.knows_short_names(&running))
    }

    /// Refuses an order where something lies in the way of releases that is not the updater's.
    pub fn refuse_obstacles(&self) -> Result<(), Failure> {
        let found = self.layout.obstacles()?;
        if found.is_empty() {
            return Ok(());
        }
        let said: Vec<_> =
            found.iter().map(|obstacle| format!("{obstacle} ({})", obstacle.hint)).collect();
        Err(Problem::new(Code::Internal, said.join("; ")).into())
    }

    /// Names at the top of a release that are the updater's own.
    pub(in crate::transaction) fn reserved_names(&self) -> Vec<String> {
        let links = self.config.links.iter().map(|link| link.trim_end_matches('/').to_owned());
        links.chain([RELEASE_RECORD.to_owned()]).collect()
    }

    /// What of a release is not as it was after its build, if anything: the first such path. What was
    /// added since does not count: a program that runs as root may leave something beside its own files.
    /// What the disk does not say is an error, and no damage.
    /// Nothing is said of one of which no list was kept.
    pub fn damage(&self, digest: &Digest) -> Result<Option<String>, Failure> {
        let states = self.release_states()?;
        let Some(state) = states.get(digest) else { return Ok(None) };
        let Some(tree) = state.tree else { return Ok(None) };
        let skip = state.skipped.clone().unwrap_or_else(|| self.reserved_names());
        let found = match TreeList::read(&self.layout.release(digest), &skip) {
            Ok(found) if found.hash() == tree => return Ok(None),
            found => found,
        };
        let list = match std::fs::read(self.files.tree_list(digest)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            list => list?,
        };
        match found {
            Ok(found) => Ok(found.first_lost(&list)),
            Err(TreeError::Io { path, source, .. }) if is_of_the_tree(&source) => Ok(Some(path)),
            Err(error @ TreeError::Io { .. }) => Err(error.into()),
            // Something was added that no release has.
            Err(_) => Ok(None),
        }
    }

    /// Why a release does not read as it was after its build, in words. One that does not read is no better
    /// than a damaged one where its archive is at hand.
    pub fn said_damage(&self, digest: &Digest) -> Option<String> {
        let (app, short) = (&self.name, digest.short());
        let damage = match self.damage(digest) {
            Ok(lost) => format!("{} is not as it was after its build", lost?),
            Err(failure) => format!("it cannot be looked through: {}", failure.problem.detail),
        };
        tracing::warn!(%app, "{app}: {short} is damaged here: {damage}");
        Some(damage)
    }

    /// Whether a release is whole on the disk. Its own record is not enough: a build could have
    /// written one. What the updater itself found out must say so too, if it is not lost. A disk
    /// that does not say is an error, and no answer.
    pub fn is_kept(&self, digest: &Digest) -> Result<bool, KeptError> {
        let release = self.layout.release(digest);
        let states = self.release_states()?;
        let known = if states.is_empty() { is_sealed(&release)? } else { states.whole(digest) };
        if !known {
            // Its record may be the build's, and a link or worse: it is not even looked at.
            return Ok(false);
        }
        match read_record(&release) {
            Err(RecordError::Absent(_)) => Ok(false),
            Err(error @ RecordError::Io { .. }) => Err(error.into()),
            Err(RecordError::Unusable(_)) | Ok(_) => Ok(true),
        }
    }

    /// Whether a release is whole on the disk, and may be activated as it is.
    pub fn is_ready(&self, digest: &Digest) -> Result<bool, KeptError> {
        let kept = self.is_kept(digest)?;
        if !kept || self.keys.is_empty() {
            return Ok(kept);
        }
        Ok(self.is_trusted(digest, &self.release_states()?))
    }

    /// Whether a release that is kept came under the signature of a key that is trusted now, or was
    /// proven here. A key that is trusted no more lets nothing new run.
    pub(in crate::transaction) fn is_trusted(
        &self,
        digest: &Digest,
        states: &ReleaseStates,
    ) -> bool {
        states.get(digest).is_some_and(|state| {
            let signed = state.signed_by.as_ref().is_some_and(|key| self.keys.has(key));
            signed || state.proven_at.is_some()
        })
    }

    /// A release in the shape of an answer.
    pub fn slot_release(&self, slot: ReleaseSlot, digest: &Digest) -> SlotRelease {
        let path = self.layout.release(digest);
        let record = read_record(&path).ok();
        SlotRelease {
            slot,
            digest: *digest,
            path: path.display().to_string(),
            sha: record.as_ref().and_then(|record| record.sha.clone()),
            version: record.as_ref().and_then(|record| record.version.clone()),
            installed_at: record.map(|record| record.installed_at),
        }
    }

    /// The releases that `active` and `prev` name.
    pub fn slot_releases(&self) -> std::io::Result<Vec<SlotRelease>> {
        let slots = [(Slot::Active, ReleaseSlot::Active), (Slot::Prev, ReleaseSlot::Prev)];
        let named = slots.into_iter().map(|(slot, name)| {
            let digest = self.layout.slot(slot)?;
            Ok(digest.map(|digest| self.slot_release(name, &digest)))
        });
        Ok(named.collect::<std::io::Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// The release that `active` names, with what its record says of it. A record that cannot be read
    /// is a warning.
    pub(in crate::transaction) fn active_release(
        &self,
        digest: Digest,
        warnings: &mut Vec<String>,
    ) -> ActiveRelease {
        let path = self.layout.release(&digest);
        let record =
            read_record(&path).inspect_err(|error| warnings.push(common::failed_to(error))).ok();
        ActiveRelease {
            digest,
            version: record.as_ref().and_then(|record| record.version.clone()),
            sha: record.and_then(|record| record.sha),
            path: path.display().to_string(),
        }
    }

    /// All releases that are whole on the disk, for `GET /releases`; of `checked`, whether it is damaged.
    pub fn releases(&self, checked: Option<Digest>) -> std::io::Result<AppReleases> {
        let states = self.release_states().unwrap_or_default();
        let stored = self.layout.stored()?.into_iter();
        let kept = stored.filter(|digest| self.is_kept(digest).unwrap_or(true));
        let shown = |digest| {
            let damage =
                checked.filter(|it| *it == digest).and_then(|digest| self.said_damage(&digest));
            Release { damage, ..self.shown_release(digest, &states) }
        };
        let mut releases: Vec<_> = kept.map(shown).collect();
        releases.sort_by_key(|release| std::cmp::Reverse(release.installed_at));
        Ok(AppReleases {
            active: self.layout.slot(Slot::Active)?,
            prev: self.layout.slot(Slot::Prev)?,
            releases,
        })
    }

    /// How many bytes an archive may have, by what is free beyond the reserve; none if the disk does
    /// not say.
    pub(in crate::transaction) fn room(&self) -> Option<u64> {
        let free = self.free_space()?;
        let names = free.inodes >= self.limits.reserve_inodes;
        Some(if names { free.bytes.saturating_sub(self.limits.reserve_bytes.0) } else { 0 })
    }

    /// What is free where releases are. Before the first release the directory is not there; it will
    /// be on the same disk as its parent.
    pub(in crate::transaction) fn free_space(&self) -> Option<Space> {
        self.layout.install().ancestors().find_map(|place| free_space(place).ok())
    }

    fn shown_release(&self, digest: Digest, states: &ReleaseStates) -> Release {
        let path = self.layout.release(&digest);
        let state = states.get(&digest);
        let record: Option<ReleaseRecord> = read_record(&path).ok();
        let installed_at = record.as_ref().map(|record| record.installed_at);
        let (name, version, sha) =
            record.map_or((None, None, None), |record| (record.name, record.version, record.sha));
        Release {
            digest,
            state: state.map_or(ReleaseState::Staged, RecordedState::state),
            name,
            version,
            sha,
            installed_at,
            proven_at: state.and_then(|state| state.proven_at),
            failed_at: state.and_then(|state| state.failed_at),
            failure: state.and_then(|state| state.failure.clone()),
            quarantined: states.quarantined(&digest),
            damage: None,
            path: path.display().to_string(),
        }
    }
}

/// Whether a name of a tree could not be read because something else is there now, or nothing.
fn is_of_the_tree(error: &std::io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::ENOENT | Errno::ENOTDIR | Errno::EISDIR | Errno::ELOOP))
}
