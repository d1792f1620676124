//! Files below /etc/systemd/system that are the updater's while a release wants them, and what was
//! there before, which comes back when none does.
//!
//! What they should be follows from the release and from what was found, so it can be brought about
//! again from any point: a crash in the middle is mended when a release is started next.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::{remove_durably, state_file, sync_directory, write_durably};
use protocol::FORMAT;
use serde::{Deserialize, Serialize};

use crate::runner::RunnerError;
use crate::systemd::{is_template, is_unit_name};

/// The files of one app's units.
#[derive(Debug)]
pub(super) struct UnitFiles {
    directory: PathBuf,
    /// What is known of them.
    notes: PathBuf,
}

/// `units.json`: what the updater has put there, and in place of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Notes {
    format: u32,
    /// What was there before, by the name below the directory.
    before: BTreeMap<String, Found>,
    /// Files have changed, and systemd may not have read them since.
    reload: bool,
}

/// What is at a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Found {
    Nothing,
    File(String),
    Link(PathBuf),
}

impl UnitFiles {
    pub(super) fn new(directory: &Path, notes: PathBuf) -> Self {
        Self { directory: directory.to_owned(), notes }
    }

    /// Makes the files what a release wants: `wanted` of them are there, and of all others that any
    /// release had, what was there before. systemd reads its files again if any has changed.
    pub(super) fn bring_about(
        &self,
        wanted: &BTreeMap<String, String>,
        reload: impl FnOnce() -> Result<(), RunnerError>,
    ) -> Result<(), RunnerError> {
        let mut notes = self.read()?;
        let known = notes.clone();
        for name in wanted.keys().filter(|name| !known.before.contains_key(*name)) {
            notes.before.insert(name.clone(), self.look(name)?);
        }
        let mut changes = Vec::new();
        for (name, should) in targets(wanted, &notes.before) {
            if self.look(&name)? != should {
                changes.push((name, should));
            }
        }
        notes.reload |= !changes.is_empty();
        // Before anything is touched: what was there, and that systemd has to read it again.
        self.write_if_changed(&notes, &known)?;
        for (name, should) in &changes {
            self.put(name, should)?;
        }
        let written = notes.clone();
        if notes.reload {
            reload()?;
            notes.reload = false;
        }
        notes.before.retain(|name, _| wanted.contains_key(name));
        self.write_if_changed(&notes, &written)
    }

    /// Units whose files are the updater's, and that what is wanted now has no file for: these go.
    pub(super) fn leaving(
        &self,
        wanted: &BTreeMap<String, String>,
    ) -> Result<Vec<String>, RunnerError> {
        let there = self.read()?.before.into_keys();
        let is_unit = |name: &String| is_unit_name(name) && !is_template(name);
        Ok(there.filter(|name| is_unit(name) && !wanted.contains_key(name)).collect())
    }

    /// Puts files there that every release wants. Of others nothing changes, and systemd reads them at
    /// a boot, or when the next release is brought about.
    pub(super) fn add(&self, wanted: &BTreeMap<String, String>) -> Result<(), RunnerError> {
        let known = self.read()?;
        let mut notes = known.clone();
        let mut changes = Vec::new();
        for (name, text) in wanted {
            let (found, should) = (self.look(name)?, Found::File(text.clone()));
            if found != should {
                notes.before.entry(name.clone()).or_insert(found);
                changes.push((name, should));
            }
        }
        notes.reload |= !changes.is_empty();
        self.write_if_changed(&notes, &known)?;
        changes.iter().try_for_each(|(name, should)| self.put(name, should))
    }

    fn look(&self, name: &str) -> Result<Found, RunnerError> {
        let path = self.directory.join(name);
        let found = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
            Err(error) => Err(error),
            Ok(metadata) if metadata.is_symlink() => fs::read_link(&path).map(Found::Link),
            Ok(_) => fs::read_to_string(&path).map(Found::File),
        };
        found.map_err(|source| RunnerError::File { act: "read", path, source })
    }

    fn put(&self, name: &str, should: &Found) -> Result<(), RunnerError> {
        let path = self.directory.join(name);
        let put = || -> io::Result<()> {
            let parent = path.parent().unwrap_or(&self.directory);
            match should {
                Found::Nothing => {
                    remove_durably(&path)?;
                    // A directory of drop-ins that is empty now; others have theirs there too.
                    if parent != self.directory && fs::remove_dir(parent).is_ok() {
                        sync_directory(&self.directory)?;
                    }
                    Ok(())
                }
                Found::File(text) => {
                    if !parent.exists() {
                        fs::create_dir(parent)?;
                        sync_directory(&self.directory)?;
                    }
                    write_durably(&path, text.as_bytes())?;
                    readable_by_all(&path)
                }
                Found::Link(target) => {
                    remove_durably(&path)?;
                    symlink(target, &path)?;
                    sync_directory(parent)
                }
            }
        };
        put().map_err(|source| RunnerError::File { act: "write", path: path.clone(), source })
    }

    fn read(&self) -> Result<Notes, RunnerError> {
        let notes = state_file::read(&self.notes, FORMAT)?;
        Ok(notes.unwrap_or(Notes { format: FORMAT, before: BTreeMap::new(), reload: false }))
    }

    fn write_if_changed(&self, notes: &Notes, known: &Notes) -> Result<(), RunnerError> {
        if notes == known {
            return Ok(());
        }
        Ok(state_file::write(&self.notes, notes)?)
    }
}

/// What each file should be.
fn targets(
    wanted: &BTreeMap<String, String>,
    before: &BTreeMap<String, Found>,
) -> BTreeMap<String, Found> {
    let names: BTreeSet<&String> = wanted.keys().chain(before.keys()).collect();
    let target = |name: &String| match (wanted.get(name), before.get(name)) {
        (Some(text), _) => Found::File(text.clone()),
        (None, Some(found)) => found.clone(),
        (None, None) => Found::Nothing,
    };
    names.into_iter().map(|name| (name.clone(), target(name))).collect()
}

fn readable_by_all(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    struct Host {
        directory: TempDir,
        files: UnitFiles,
    }

    impl Host {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let units = directory.path().join("system");
            fs::create_dir(&units).unwrap();
            let files = UnitFiles::new(&units, directory.path().join("units.json"));
            Self { directory, files }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join("system").join(name)
        }

        fn read(&self, name: &str) -> Option<String> {
            fs::read_to_string(self.path(name)).ok()
        }

        /// Whether systemd was told to read its files again.
        fn bring_about(&self, wanted: &[(&str, &str)]) -> bool {
            let mut reloaded = false;
            let reload = || {
                reloaded = true;
                Ok(())
            };
            self.files.bring_about(&texts(wanted), reload).unwrap();
            reloaded
        }

        /// The same, and the updater dies before systemd has read them.
        fn be_cut_off(&self, wanted: &[(&str, &str)]) {
            let died = || Err(RunnerError::NoCommand);
            self.files.bring_about(&texts(wanted), died).unwrap_err();
        }
    }

    fn texts(wanted: &[(&str, &str)]) -> BTreeMap<String, String> {
        wanted.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    const A: (&str, &str) = ("a.service", "[Service]\n# one\n");
    const B: (&str, &str) = ("b.service", "[Service]\n# two\n");
    const DROP_IN: (&str, &str) = ("a.service.d/50-updater.conf", "[Service]\n");

    #[test]
    fn lesson_18_systemd_reads_its_files_again_when_one_has_changed_and_only_then() {
        let host = Host::new();
        assert!(!host.bring_about(&[]));
        assert!(host.bring_about(&[A, DROP_IN]));
        assert_eq!(host.read(A.0).as_deref(), Some(A.1));
        assert!(!host.bring_about(&[A, DROP_IN]));
        assert!(host.bring_about(&[(A.0, "other"), DROP_IN]));
        assert!(host.bring_about(&[A, B, DROP_IN]));
    }

    #[test]
    fn lesson_18_what_was_there_before_comes_back() {
        let host = Host::new();
        fs::write(host.path("a.service"), "by hand").unwrap();
        symlink("/dev/null", host.path("b.service")).unwrap();
        host.bring_about(&[A, B, DROP_IN]);
        host.bring_about(&[A, ("c.service", "c"), DROP_IN]);
        assert_eq!(fs::read_link(host.path("b.service")).unwrap(), Path::new("/dev/null"));
        assert!(host.bring_about(&[]));
        assert_eq!(host.read("a.service").as_deref(), Some("by hand"));
        assert_eq!(fs::read_dir(host.path("")).unwrap().count(), 2, "more than there was");
        assert!(!host.bring_about(&[]));
        // What is there now, and not what was there once, is what comes back the next time.
        fs::write(host.path("a.service"), "by hand again").unwrap();
        host.bring_about(&[A]);
        host.bring_about(&[]);
        assert_eq!(host.read("a.service").as_deref(), Some("by hand again"));
    }

    #[test]
    fn lesson_27_updates_that_fail_leave_what_an_administrator_had() {
        let host = Host::new();
        fs::write(host.path("a.service"), "by hand").unwrap();
        // Two in a row that come to nothing, and one that is broken off; each goes back.
        for bad in ["bad", "worse"] {
            host.bring_about(&[(A.0, bad)]);
            host.bring_about(&[]);
            assert_eq!(host.read("a.service").as_deref(), Some("by hand"));
        }
        host.bring_about(&[A]);
        host.be_cut_off(&[(A.0, "bad"), B]);
        host.be_cut_off(&[(A.0, "worse")]);
        host.bring_about(&[A]);
        assert_eq!(host.read("a.service").as_deref(), Some(A.1));
        host.bring_about(&[]);
        assert_eq!(host.read("a.service").as_deref(), Some("by hand"));
        assert!(!host.path("b.service").exists());
    }

    #[test]
    fn units_whose_files_go_are_told_before() {
        let host = Host::new();
        host.bring_about(&[A, B, DROP_IN, ("t@.service", "t")]);
        assert_eq!(host.files.leaving(&texts(&[A, DROP_IN])).unwrap(), [B.0]);
        assert_eq!(host.files.leaving(&texts(&[])).unwrap(), [A.0, B.0]);
        host.bring_about(&[]);
        assert_eq!(host.files.leaving(&texts(&[])).unwrap(), [""; 0]);
    }

    #[test]
    fn what_every_release_wants_is_there_before_the_first_and_goes_with_the_last() {
        let host = Host::new();
        host.bring_about(&[A]);
        for _ in 0..2 {
            host.files.add(&texts(&[DROP_IN])).unwrap();
            assert_eq!(host.read(DROP_IN.0).as_deref(), Some(DROP_IN.1));
            assert_eq!(host.read(A.0).as_deref(), Some(A.1));
        }
        assert!(host.bring_about(&[A, DROP_IN]), "systemd has not read it");
        host.files.add(&texts(&[DROP_IN])).unwrap();
        assert!(!host.bring_about(&[A, DROP_IN]));
        assert!(host.bring_about(&[]));
        assert_eq!(fs::read_dir(host.path("")).unwrap().count(), 0);
    }

    #[test]
    fn an_updater_that_was_cut_off_is_followed_by_one_that_finishes_or_undoes() {
        for undo in [false, true] {
            let host = Host::new();
            fs::write(host.path("a.service"), "by hand").unwrap();
            host.be_cut_off(&[A, B]);
            assert_eq!(host.read("a.service").as_deref(), Some(A.1));
            // The files are as they should be; what systemd has read may not be.
            let next = if undo { vec![] } else { vec![A, B] };
            assert!(host.bring_about(&next));
            let expected = if undo { "by hand" } else { A.1 };
            assert_eq!(host.read("a.service").as_deref(), Some(expected));
            assert_eq!(host.path("b.service").exists(), !undo);
        }
    }

    #[test]
    fn an_updater_that_died_between_its_note_and_the_file_has_lost_nothing() {
        let host = Host::new();
        fs::write(host.path("a.service"), "by hand").unwrap();
        let before = [("a.service".to_owned(), Found::File("by hand".to_owned()))].into();
        let notes = Notes { format: FORMAT, before, reload: true };
        fs::write(&host.files.notes, serde_json::to_vec(&notes).unwrap()).unwrap();
        assert!(host.bring_about(&[]));
        assert_eq!(host.read("a.service").as_deref(), Some("by hand"));
    }

    #[test]
    fn notes_of_a_newer_updater_are_left_alone_and_old_ones_are_read() {
        let host = Host::new();
        fs::write(
            &host.files.notes,
            r#"{"format": 2, "steps": [], "before": {}, "reload": false}"#,
        )
        .unwrap();
        assert!(host.files.bring_about(&texts(&[A]), || Ok(())).is_err());
        assert_eq!(host.read(A.0), None);
        let version_1 = r#"{"format": 1, "before": {"a.service": {"file": "x"},
            "b.service": "nothing", "c.service": {"link": "/dev/null"}}, "reload": true}"#;
        fs::write(&host.files.notes, version_1).unwrap();
        assert!(host.bring_about(&[]));
        assert_eq!(host.read("a.service").as_deref(), Some("x"));
    }
}
