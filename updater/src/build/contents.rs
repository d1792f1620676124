//! What a build looks at in a release: the names at its root, and its `pyproject.toml`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// No project file is larger.
const PYPROJECT_LIMIT: u64 = 1 << 20;

/// The root of a release.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    names: BTreeSet<String>,
    pyproject: Option<toml::Table>,
}

impl Contents {
    /// Looks into a release. Only files count; a `pyproject.toml` that cannot be read as
    /// TOML is taken for an empty one, and pip will say what is wrong with it.
    pub fn read(release: &Path) -> io::Result<Self> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(release)? {
            let entry = entry?;
            // Through links, which unpacking kept inside of the release.
            if fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file()) {
                names.extend(entry.file_name().into_string());
            }
        }
        let pyproject = if names.contains("pyproject.toml") {
            let mut bytes = Vec::new();
            let file = File::open(release.join("pyproject.toml"))?;
            file.take(PYPROJECT_LIMIT).read_to_end(&mut bytes)?;
            Some(String::from_utf8_lossy(&bytes).parse().unwrap_or_default())
        } else {
            None
        };
        Ok(Self { names, pyproject })
    }

    /// Whether a file of this name is at the root.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The project file, if there is one.
    pub(super) fn pyproject(&self) -> Option<&toml::Table> {
        self.pyproject.as_ref()
    }

    #[cfg(test)]
    pub(super) fn of(names: &[&str], pyproject: Option<&str>) -> Self {
        Self {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            pyproject: pyproject.map(|text| text.parse().unwrap()),
        }
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
        fs::write(path.join("package.json"), "{}").unwrap();
        std::os::unix::fs::symlink("sub/Cargo.toml", path.join("Cargo.lock")).unwrap();
        fs::write(path.join("pyproject.toml"), "this is = no [toml").unwrap();
        let contents = Contents::read(path).unwrap();
        assert!(contents.has("package.json") && contents.has("Cargo.lock"));
        assert!(!contents.has("Makefile") && !contents.has("Cargo.toml"));
        assert!(contents.pyproject().unwrap().is_empty());
    }
}
