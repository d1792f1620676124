//! Variables for a unit, in a file as systemd reads it.
//!
//! Every user of the host may read the properties of a unit, and the file that systemd writes of one that
//! was made; what an administrator configures may be secret.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use common::temporary_in;
use tempfile::NamedTempFile;

use super::Property;

/// A file that is there for one start, which reads it once, and that its owner alone can read.
#[derive(Debug)]
pub(crate) struct Variables {
    file: NamedTempFile,
}

impl Variables {
    /// Writes them into a directory of the app's state.
    pub(crate) fn write(
        directory: &Path,
        variables: &BTreeMap<String, String>,
    ) -> io::Result<Self> {
        Ok(Self { file: written(directory, variables)? })
    }

    /// The property of the unit that names the file.
    pub(crate) fn property(&self) -> Property<'static> {
        of_file(self.file.path())
    }
}

/// Writes them into a file that is there as long as its unit, which an administrator, or a tool after an
/// upgrade of a library, may start again. The property that names it.
pub(crate) fn lasting_variables(
    path: &Path,
    variables: &BTreeMap<String, String>,
) -> io::Result<Property<'static>> {
    let directory = path.parent().unwrap_or(path);
    written(directory, variables)?.persist(path).map_err(|failed| failed.error)?;
    Ok(of_file(path))
}

/// A file that its owner alone can read.
fn written(directory: &Path, variables: &BTreeMap<String, String>) -> io::Result<NamedTempFile> {
    if let Some(name) = variables.keys().find(|name| !is_name(name)) {
        // It would be left out without a word.
        let why = format!("systemd gives no unit a variable of the name {name:?}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let mut file = temporary_in(directory)?;
    file.write_all(variables_text(variables).as_bytes())?;
    Ok(file)
}

fn of_file(path: &Path) -> Property<'static> {
    let must_be_there = false;
    ("EnvironmentFiles", vec![(path.display().to_string(), must_be_there)].into())
}

/// A file of variables (systemd.exec(5), `EnvironmentFile=`).
pub(crate) fn variables_text(variables: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (name, value) in variables {
        let _ = write!(text, "{name}=\"");
        for character in value.chars() {
            if matches!(character, '"' | '\\' | '$' | '`') {
                text.push('\\');
            }
            text.push(character);
        }
        text.push_str("\"\n");
    }
    text
}

/// What systemd takes for the name of a variable (systemd.exec(5), `Environment=`).
fn is_name(name: &str) -> bool {
    let plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    name.chars().all(plain) && name.starts_with(|first: char| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn values_are_quoted_as_systemd_unquotes_them() {
        let given = [("A", "1"), ("B", "two \"words\" $HOME \\n `x` 'y'\nline")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let text = variables_text(&given);
        assert_eq!(text, "A=\"1\"\nB=\"two \\\"words\\\" \\$HOME \\\\n \\`x\\` 'y'\nline\"\n");
    }

    #[test]
    fn the_file_is_its_owners_alone_and_goes_with_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let one = |name: &str| BTreeMap::from([(name.to_owned(), "secret".to_owned())]);
        let written = Variables::write(directory.path(), &one("TOKEN")).unwrap();
        let path = written.file.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(written);
        assert!(!path.exists());
        for name in ["a.b", "1A", "", "A-B"] {
            assert!(Variables::write(directory.path(), &one(name)).is_err(), "{name}");
        }
    }
}
