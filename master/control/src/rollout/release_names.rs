//! How a release is called on a screen.

use std::collections::BTreeMap;

use protocol::Digest;
use store::{Rollout, Store, StoreError};

/// The names of the releases that this master knows.
#[derive(Debug, Clone, Default)]
pub struct ReleaseNames(BTreeMap<Digest, String>);

impl ReleaseNames {
    /// Those in the store.
    pub fn read(store: &Store) -> Result<Self, StoreError> {
        let mut names = Self::default();
        for release in store.releases()? {
            names.learn(release.digest, release.version.as_deref());
        }
        Ok(names)
    }

    /// Learns what a host calls a release.
    pub fn learn(&mut self, digest: Digest, version: Option<&str>) {
        if let Some(version) = version {
            self.0.entry(digest).or_insert_with(|| version.to_owned());
        }
    }

    /// What a rollout was begun for, and by whom: `update of --all to 1.2 (9f86d081), by ada`.
    pub fn asked(&self, rollout: &Rollout) -> String {
        let Rollout { kind, selection, release, who, .. } = rollout;
        let to = match release {
            Some(release) => self.of(Some(release)),
            None => "what ran before".to_owned(),
        };
        format!("{kind} of {selection} to {to}, by {who}")
    }

    /// `1.2 (9f86d081)`, or `9f86d081`; nothing for none.
    pub fn of(&self, digest: Option<&Digest>) -> String {
        let Some(digest) = digest else { return String::new() };
        match self.0.get(digest) {
            Some(version) => format!("{version} ({})", digest.short()),
            None => digest.short(),
        }
    }
}
