//! `migrations.json`: which releases have changed the form of the app's stored data, in their order.
//!
//! A migration is written down before it begins and when it is done, so that a crash in the middle is
//! known. It lies in the state directory, out of reach of the releases.

use std::collections::BTreeMap;
use std::path::Path;

use common::{StateFileError, state_file};
use protocol::{Digest, FORMAT};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What was done to the data, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrations {
    format: u32,
    /// The migrations whose form the data has.
    pub applied: Vec<Applied>,
    /// How many of them there are below each release that was proven here.
    levels: BTreeMap<Digest, usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    pub digest: Digest,
    /// How far it is.
    pub state: MigrationState,
    /// Whether the release before can run again, after `down` if there is one.
    pub reversible: bool,
    /// Where the backup lies that was made before, as its command said.
    pub backup: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// How far a migration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationState {
    /// `up` was begun.
    Begun,
    /// The data has the form.
    Done,
    /// `down` was begun.
    Undoing,
}

/// From which form to which a transaction brings the data; a part of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationPlan {
    /// What was applied when it began.
    pub before: Vec<Applied>,
    /// What is to be applied for the release that it goes to.
    pub after: Vec<Applied>,
    /// Whether the release before must not run once this has begun.
    pub one_way: bool,
    /// What the backup's command said last, once it was run.
    pub backup: Option<String>,
}

impl Default for Migrations {
    fn default() -> Self {
        Self { format: FORMAT, applied: Vec::new(), levels: BTreeMap::new() }
    }
}

impl Migrations {
    /// Reads them. An app that never had one has none.
    pub fn read(path: &Path) -> Result<Self, StateFileError> {
        Ok(state_file::read(path, FORMAT)?.unwrap_or_default())
    }

    /// Puts them on the disk, whole.
    pub fn write(&self, path: &Path) -> Result<(), StateFileError> {
        state_file::write(path, self)
    }

    /// What has to be applied for a release, which adds its own migration if `own` says what that is.
    /// A release that was `proven` here has the place that it had then; one that is new goes on top.
    pub fn wanted(&self, release: &Digest, proven: bool, own: Option<Applied>) -> Vec<Applied> {
        let all = self.applied.len();
        if let Some(place) = self.applied.iter().position(|one| one.digest == *release) {
            let mut wanted = self.applied[..=place].to_vec();
            if let Some(last) = wanted.last_mut() {
                last.state = MigrationState::Done;
            }
            return wanted;
        }
        let before_any = if proven { Some(0) } else { None };
        let below = self.levels.get(release).copied().or(before_any).unwrap_or(all).min(all);
        self.applied[..below].iter().cloned().chain(own).collect()
    }

    /// A release was proven on the data as it is. False if there is nothing to remember.
    pub fn proved(&mut self, release: Digest) -> bool {
        let place = self.applied.iter().position(|one| one.digest == release);
        let below = place.unwrap_or(self.applied.len());
        let known = self.levels.get(&release).copied();
        if (self.applied.is_empty() && self.levels.is_empty()) || known == Some(below) {
            return false;
        }
        self.levels.insert(release, below);
        true
    }

    /// What must be done next so that `wanted` is applied.
    pub fn next(&self, wanted: &[Applied]) -> Next {
        let pairs = self.applied.iter().zip(wanted);
        let same = pairs.take_while(|(is, wanted)| is.digest == wanted.digest).count();
        match (self.applied.last(), wanted.get(same)) {
            (Some(last), _) if self.applied.len() > same => Next::Down(last.clone()),
            (_, Some(missing)) => Next::Up(missing.clone()),
            (Some(last), None)
                if last.state != MigrationState::Done
                    && wanted.last().is_some_and(|one| one.state == MigrationState::Done) =>
            {
                Next::Up(last.clone())
            }
            _ => Next::Nothing,
        }
    }
}

/// A step from one form of the data to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This one is to be undone.
    Down(Applied),
    /// This one is to be applied, or to be brought to its end.
    Up(Applied),
    /// The data has its form.
    Nothing,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn digest(letter: char) -> Digest {
        format!("sha256:{}", String::from(letter).repeat(64)).parse().unwrap()
    }

    fn applied(letter: char) -> Applied {
        Applied {
            digest: digest(letter),
            state: MigrationState::Done,
            reversible: true,
            backup: None,
            at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn names(applied: &[Applied]) -> String {
        applied.iter().map(|one| one.digest.hex().remove(0)).collect()
    }

    #[test]
    fn a_release_that_ran_here_wants_what_there_was_then() {
        let mut migrations = Migrations::default();
        assert!(!migrations.proved(digest('0')), "nothing is written where nothing migrates");
        migrations.applied.push(applied('a'));
        assert!(migrations.proved(digest('a')));
        assert!(migrations.proved(digest('1')));
        assert!(!migrations.proved(digest('1')));
        migrations.applied.push(applied('b'));
        migrations.proved(digest('b'));
        let wanted = |letter, own| names(&migrations.wanted(&digest(letter), true, own));
        assert_eq!(wanted('0', None), "");
        assert_eq!(wanted('1', None), "a");
        assert_eq!(wanted('a', Some(applied('a'))), "a");
        assert_eq!(wanted('b', None), "ab");
        let new = |own| names(&migrations.wanted(&digest('c'), false, own));
        assert_eq!(new(None), "ab");
        assert_eq!(new(Some(applied('c'))), "abc");
    }

    #[test]
    fn each_step_leads_to_what_is_wanted() {
        let both = vec![applied('a'), applied('b')];
        let mut migrations = Migrations { applied: both, ..Migrations::default() };
        let wanted = [applied('a'), applied('c')];
        assert_eq!(migrations.next(&wanted), Next::Down(applied('b')));
        migrations.applied.pop();
        assert_eq!(migrations.next(&wanted), Next::Up(applied('c')));
        let begun = Applied { state: MigrationState::Begun, ..applied('c') };
        migrations.applied.push(begun.clone());
        assert_eq!(migrations.next(&wanted), Next::Up(begun.clone()), "cut short");
        // What was half done before is left so on the way back.
        assert_eq!(migrations.next(&[applied('a'), begun]), Next::Nothing);
        migrations.applied[1] = applied('c');
        assert_eq!(migrations.next(&wanted), Next::Nothing);
    }

    #[test]
    fn what_version_1_wrote_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("migrations.json");
        assert_eq!(Migrations::read(&path).unwrap(), Migrations::default());
        let name = digest('a');
        let text = format!(
            r#"{{"format": 1, "applied": [{{"digest": "{name}", "state": "begun",
            "reversible": false, "backup": "/b", "at": "2026-01-02T03:04:05Z"}}],
            "levels": {{"{name}": 0}}}}"#
        );
        fs::write(&path, text).unwrap();
        let read = Migrations::read(&path).unwrap();
        assert_eq!(read.applied[0].state, MigrationState::Begun);
        read.write(&path).unwrap();
        assert_eq!(Migrations::read(&path).unwrap(), read);
    }
}
