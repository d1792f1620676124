//! What is no release is removed from an app's disk, and of old releases only so many are kept.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use common::sync_directory;
use protocol::{Digest, ReleaseState};
use rustix::io::Errno;

use super::AppSettings;
use crate::release::{Slot, remove_tree};
use crate::transaction::{Failure, ReleaseStates};

/// Failed releases that are kept for diagnosis.
const FAILED_KEPT: usize = 2;

impl AppSettings {
    /// Removes everything from the install directory that is neither a release nor a slot, and
    /// old releases beyond what the configuration keeps. The release that is `running` stays, whatever
    /// it is, and so does the `needed` one. The lock must be held.
    pub(in crate::transaction) fn sweep(
        &self,
        running: Option<Digest>,
        needed: Option<Digest>,
    ) -> Result<(), Failure> {
        self.layout.sweep_links()?;
        self.sweep_incoming()?;
        let states = self.release_states()?;
        let mut kept = self.kept_releases(&states, running)?;
        kept.extend(needed);
        let (stored, old): (Vec<_>, Vec<_>) =
            self.layout.stored()?.into_iter().partition(|digest| kept.contains(digest));
        let mut failed = None;
        for digest in &old {
            let path = self.layout.release(digest);
            let removed = self.layout.remove(digest).or_else(|error| self.stays(&path, error));
            failed = failed.or(removed.err());
        }
        if !old.is_empty() {
            sync_directory(&self.layout.store())?;
        }
        self.sweep_tree_lists(&stored)?;
        self.change_release_states(|states| states.only(&stored))?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// What cannot be removed at all, however often that is tried, is named and left where it is: the
    /// rest goes all the same. All else is an error.
    fn stays(&self, path: &Path, error: io::Error) -> io::Result<()> {
        const FOR_GOOD: [Errno; 4] = [Errno::XDEV, Errno::PERM, Errno::BUSY, Errno::ROFS];
        let (app, shown) = (&self.name, path.display());
        tracing::warn!(%app, "{app}: {shown} cannot be removed: {error}");
        if Errno::from_io_error(&error).is_some_and(|errno| FOR_GOOD.contains(&errno)) {
            return Ok(());
        }
        Err(error)
    }

    /// What should have been removed and is still there, but for what a transaction goes to.
    pub(in crate::transaction) fn leftovers(&self, to: Option<Digest>) -> Vec<PathBuf> {
        let stored = self.layout.stored().unwrap_or_default().into_iter();
        let left = stored.filter(|digest| Some(*digest) != to);
        left.filter(|digest| !self.is_kept(digest).unwrap_or(true))
            .map(|digest| self.layout.release(&digest))
            .collect()
    }

    /// Removes what is known of the files of releases that are gone.
    fn sweep_tree_lists(&self, stored: &[Digest]) -> io::Result<()> {
        let entries = match std::fs::read_dir(self.files.tree_lists()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let of = entry.file_name().to_str().and_then(|name| name.parse::<Digest>().ok());
            if of.is_none_or(|of| !stored.contains(&of)) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes what archives were unpacked into. The lock must be held.
    pub(in crate::transaction) fn sweep_incoming(&self) -> io::Result<()> {
        let entries = match std::fs::read_dir(self.layout.incoming()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let mut removed = false;
        let mut failed = None;
        for entry in entries {
            let path = entry?.path();
            let gone = remove_tree(&path).or_else(|error| self.stays(&path, error));
            failed = failed.or(gone.err());
            removed = true;
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if removed { sync_directory(&self.layout.incoming()) } else { Ok(()) }
    }

    /// The active and the previous release, whatever runs, then the latest of each kind.
    fn kept_releases(
        &self,
        states: &ReleaseStates,
        running: Option<Digest>,
    ) -> io::Result<HashSet<Digest>> {
        let mut kept: HashSet<Digest> = HashSet::new();
        kept.extend(self.layout.slot(Slot::Active)?);
        kept.extend(self.layout.slot(Slot::Prev)?);
        kept.extend(running);
        let whole: Vec<Digest> = self
            .layout
            .stored()?
            .into_iter()
            .filter(|digest| self.is_kept(digest).unwrap_or(true))
            .collect();
        let of = |digest: &Digest, kind| states.get(digest).filter(|state| state.state() == kind);
        let failed = latest(&whole, |digest| of(digest, ReleaseState::Failed)?.failed_at);
        kept.extend(failed.iter().take(FAILED_KEPT));
        let proven = latest(&whole, |digest| of(digest, ReleaseState::Proven)?.proven_at);
        let mut room = self
            .config
            .keep
            .saturating_sub(proven.iter().filter(|digest| kept.contains(digest)).count());
        for digest in proven {
            if room > 0 && kept.insert(digest) {
                room -= 1;
            }
        }
        let staged = latest(&whole, |digest| {
            let state = states.get(digest);
            let unused = state.is_none_or(|state| state.state() == ReleaseState::Staged);
            unused.then(|| state.map(|state| state.staged_at))
        });
        kept.extend(staged.iter().take(self.config.keep));
        Ok(kept)
    }
}

fn latest<T: Ord>(digests: &[Digest], when: impl Fn(&Digest) -> Option<T>) -> Vec<Digest> {
    let mut found: Vec<_> =
        digests.iter().filter_map(|digest| Some((when(digest)?, *digest))).collect();
    found.sort_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, digest)| digest).collect()
}
