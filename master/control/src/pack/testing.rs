//! Trees to pack, for the tests of this module.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{PackError, Packed, Packing, Why, pack};
use crate::interrupt::undisturbed;

/// A tree on the disk, in a git repository or not.
pub(super) struct Tree(pub(super) TempDir);

impl Tree {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    pub(super) fn git(files: &[(&str, &str)]) -> Self {
        let tree = Self::new(files);
        tree.run(&["init", "-q"]);
        tree.run(&["add", "-f", "."]);
        tree.commit();
        tree
    }

    pub(super) fn commit(&self) {
        self.run(&["commit", "-q", "-m", "x", "--date", "2026-01-01T00:00:00Z"]);
    }

    pub(super) fn run(&self, arguments: &[&str]) {
        let status = Command::new("git")
            .current_dir(self.0.path())
            .args(["-c", "user.name=x", "-c", "user.email=x@example.org"])
            .args(arguments)
            .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .status();
        assert!(status.unwrap().success(), "{arguments:?}");
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(super) fn pack(
        &self,
        exclude: &[&str],
    ) -> Result<(Packed, BTreeMap<String, String>), PackError> {
        let place = tempfile::tempdir().unwrap();
        let exclude: Vec<_> = exclude.iter().map(|&glob| glob.to_owned()).collect();
        let output = place.path().join("x.tar.zst");
        let packing = packing(self.0.path(), &exclude, &output);
        let packed = undisturbed(|cancel| pack(&packing, cancel))?;
        Ok((packed, read(&output)))
    }

    pub(super) fn names(&self, exclude: &[&str]) -> Vec<String> {
        self.pack(exclude).unwrap().1.into_keys().collect()
    }
}

fn read(archive: &Path) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(File::open(archive).unwrap()).unwrap());
    let mut entries = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_pax_global_extensions() {
            continue;
        }
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        let mut text = format!("{:o} ", header.mode().unwrap());
        if let Some(target) = entry.link_name().unwrap() {
            text = format!("-> {}", target.display());
        }
        entry.read_to_string(&mut text).unwrap();
        assert_eq!(entries.insert(path, text), None);
    }
    entries
}

/// A tree that is packed as the environment of no git says.
pub(super) const fn packing<'a>(
    root: &'a Path,
    exclude: &'a [String],
    output: &'a Path,
) -> Packing<'a> {
    Packing { root, include: &[], exclude, output, git_variables: &[] }
}

pub(super) fn left_out(packed: &Packed) -> Vec<(&str, Why)> {
    packed.left_out.iter().map(|left| (left.path.as_str(), left.why)).collect()
}
