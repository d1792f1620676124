//! What a build looks at in a release: the names at its root, and the texts of its project files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use protocol::{BuildSection, unguessed_build_file};
use serde_json::Value;
use toml::Table;

/// Bytes that are read of a project file, at most. No project file is larger.
const TEXT_LIMIT: u64 = 4 << 20;
/// The files whose text says how the release is built.
const READ: [&str; 6] =
    ["Cargo.toml", "package.json", "pyproject.toml", "requirements.txt", "setup.cfg", "yarn.lock"];

/// The root of a release.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    names: BTreeSet<String>,
    texts: BTreeMap<String, String>,
}

impl Contents {
    /// Looks into a release. Only files count.
    pub fn read(release: &Path) -> io::Result<Self> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(release)? {
            let entry = entry?;
            // Through links, which unpacking kept inside of the release.
            if fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file()) {
                names.extend(entry.file_name().into_string());
            }
        }
        let mut texts = BTreeMap::new();
        for name in READ.into_iter().filter(|name| names.contains(*name)) {
            let mut bytes = Vec::new();
            File::open(release.join(name))?.take(TEXT_LIMIT).read_to_end(&mut bytes)?;
            texts.insert(name.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(Self { names, texts })
    }

    /// Whether a file of this name is at the root.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The names at the root that fit.
    pub(super) fn names(&self, fits: impl Fn(&str) -> bool) -> Vec<&str> {
        self.names.iter().map(String::as_str).filter(|name| fits(name)).collect()
    }

    /// The first of these names of which there is a file.
    pub(super) fn first_of(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.has(name))
    }

    /// The file by which it is built, where that is not guessed.
    pub(super) fn unguessed(&self, section: &BuildSection) -> Option<&'static str> {
        unguessed_build_file(section, |name| self.has(name), self.text("setup.cfg"))
    }

    /// The text of a project file; empty where there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.texts.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A project file in TOML, if there is one. One that cannot be read as that is taken for an empty
    /// one: the tool will say what is wrong with it.
    pub(super) fn toml(&self, name: &str) -> Option<Table> {
        self.texts.get(name).map(|text| text.parse().unwrap_or_default())
    }

    /// A project file in JSON, in the same way.
    pub(super) fn json(&self, name: &str) -> Option<Value> {
        self.texts.get(name).map(|text| serde_json::from_str(text).unwrap_or_default())
    }

    /// A release with files of these names and texts.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let texts: BTreeMap<String, String> = files.iter().map(own).collect();
        Self { names: texts.keys().cloned().collect(), texts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_at_the_root_count() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::create_dir_all(path.join("Makefile")).unwrap();
        fs::create_dir_all(path.join("sub")).unwrap();
        fs::write(path.join("sub/Cargo.toml"), "").unwrap();
        fs::write(path.join("package.json"), "{]").unwrap();
        std::os::unix::fs::symlink("sub/Cargo.toml", path.join("Cargo.lock")).unwrap();
        fs::write(path.join("pyproject.toml"), "this is = no [toml").unwrap();
        let contents = Contents::read(path).unwrap();
        assert!(contents.has("package.json") && contents.has("Cargo.lock"));
        assert!(!contents.has("Makefile") && !contents.has("Cargo.toml"));
        assert!(contents.toml("pyproject.toml").unwrap().is_empty());
        assert!(contents.json("package.json").unwrap().is_null());
        assert!(contents.toml("Cargo.toml").is_none());
    }
}
