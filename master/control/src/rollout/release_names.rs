//! How a release is called on a screen.

use std::collections::BTreeMap;

use protocol::{Digest, Kind};
use store::{Rollout, Store, StoreError};

/// The names of the releases that this master knows.
#[derive(Debug, Clone, Default)]
pub struct ReleaseNames {
    versions: BTreeMap<Digest, String>,
    /// Those that this master has had in hand, the newest first.
    seen: Vec<Digest>,
}

impl ReleaseNames {
    /// Those in the store.
    pub fn read(store: &Store) -> Result<Self, StoreError> {
        let mut names = Self::default();
        for release in store.releases()? {
            names.seen.push(release.digest);
            names.learn(release.digest, release.version.as_deref());
        }
        Ok(names)
    }

    /// Learns what a host calls a release.
    pub fn learn(&mut self, digest: Digest, version: Option<&str>) {
        if let Some(version) = version {
            self.versions.entry(digest).or_insert_with(|| version.to_owned());
        }
    }

    /// The version of a release, where it is known.
    pub fn version(&self, digest: &Digest) -> Option<&str> {
        self.versions.get(digest).map(String::as_str)
    }

    /// Whether this master has had the one in hand later than the other, as far as it knows both.
    pub fn is_newer(&self, one: &Digest, other: &Digest) -> bool {
        let place = |digest| self.seen.iter().position(|seen| seen == digest);
        place(one).zip(place(other)).is_some_and(|(one, other)| one < other)
    }

    /// What a rollout was begun for, by whom and why: `update of --all to 1.2 (9f86d081), by ada: a
    /// repaired login`.
    pub fn asked(&self, rollout: &Rollout) -> String {
        let Rollout { kind, selection, release, who, message, .. } = rollout;
        let what = match release {
            Some(release) => format!("of {selection} to {}", self.of(Some(release))),
            None if *kind == Kind::Update => format!("of the updaters of {selection}"),
            None => format!("of {selection} to what ran before"),
        };
        let why = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        format!("{kind} {what}, by {who}{why}")
    }

    /// `1.2 (9f86d081)`, or `9f86d081`; nothing for none.
    pub fn of(&self, digest: Option<&Digest>) -> String {
        let Some(digest) = digest else { return String::new() };
        match self.versions.get(digest) {
            Some(version) => format!("{version} ({})", digest.short()),
            None => digest.short(),
        }
    }
}
