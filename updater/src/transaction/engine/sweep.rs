//! Litter goes, and of old releases only so many are kept.

use std::collections::HashSet;
use std::io;

use common::sync_directory;
use protocol::Digest;

use crate::release::{Slot, remove_release, remove_tree};
use crate::transaction::{App, ReleaseStates};

/// Failed releases that are kept for diagnosis.
const FAILED_KEPT: usize = 2;

impl App {
    /// Removes everything from the install directory that is neither a release nor a slot, and
    /// old releases beyond what the configuration keeps, but for the `needed` one. The lock must be
    /// held.
    pub(in crate::transaction) fn sweep(&self, needed: Option<Digest>) -> io::Result<()> {
        self.layout.sweep_links()?;
        self.sweep_incoming()?;
        let path = self.files.facts();
        let mut facts = ReleaseStates::read(&path).map_err(io::Error::other)?;
        let before = facts.clone();
        let mut kept = self.kept_releases(&facts)?;
        kept.extend(needed);
        let (stored, old): (Vec<_>, Vec<_>) =
            self.layout.stored()?.into_iter().partition(|digest| kept.contains(digest));
        for digest in &old {
            remove_release(&self.layout.release(digest))?;
        }
        if !old.is_empty() {
            sync_directory(&self.layout.store())?;
        }
        facts.only(&stored);
        if facts != before {
            facts.write(&path).map_err(io::Error::other)?;
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
        for entry in entries {
            remove_tree(&entry?.path())?;
            removed = true;
        }
        if removed { sync_directory(&self.layout.incoming()) } else { Ok(()) }
    }

    /// The active and the previous release, whatever runs, then the latest of each kind.
    fn kept_releases(&self, facts: &ReleaseStates) -> io::Result<HashSet<Digest>> {
        let mut kept: HashSet<Digest> = HashSet::new();
        kept.extend(self.layout.slot(Slot::Active)?);
        kept.extend(self.layout.slot(Slot::Prev)?);
        kept.extend(self.instance().map(|instance| instance.digest()));
        let whole: Vec<Digest> = self
            .layout
            .stored()?
            .into_iter()
            .filter(|digest| self.is_kept(digest).unwrap_or(true))
            .collect();
        let failed = latest(&whole, |digest| facts.get(digest)?.failed_at);
        kept.extend(failed.iter().take(FAILED_KEPT));
        let proven = latest(&whole, |digest| {
            facts.get(digest).filter(|fact| fact.failed_at.is_none())?.proven_at
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
            let fact = facts.get(digest);
            let unused =
                fact.is_none_or(|fact| fact.failed_at.is_none() && fact.proven_at.is_none());
            unused.then(|| fact.map(|fact| fact.staged_at))
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
