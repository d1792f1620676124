//! What is no release is removed from an app's disk, and of old releases only so many are kept.

use std::collections::HashSet;
use std::io;

use common::sync_directory;
use protocol::Digest;

use super::AppSettings;
use crate::release::{Slot, remove_release, remove_tree};
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
        for digest in &old {
            remove_release(&self.layout.release(digest))?;
        }
        if !old.is_empty() {
            sync_directory(&self.layout.store())?;
        }
        Ok(self.change_release_states(|states| states.only(&stored))?)
    }

    /// Removes what archives were unpacked into. The lock must be held.
    pub(in crate::transaction) fn sweep_incoming(&self) -> io::Result<()> {
        let entries = match std::fs::read_dir(self.layout.incoming()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let mut removed = false;
        for entry in entries {
            remove_tree(&entry?.path())?;
            removed = true;
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
        let failed = latest(&whole, |digest| states.get(digest)?.failed_at);
        kept.extend(failed.iter().take(FAILED_KEPT));
        let proven = latest(&whole, |digest| {
            states.get(digest).filter(|state| state.failed_at.is_none())?.proven_at
        });
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
            let unused =
                state.is_none_or(|state| state.failed_at.is_none() && state.proven_at.is_none());
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
