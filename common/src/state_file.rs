//! State files: JSON documents that a program keeps on the disk for its next start, each with the
//! version of its format.
//!
//! A file is replaced as a whole, so one that cannot be parsed is damaged and no torn write. Neither
//! such a file nor one of a newer program is ever taken for an absent one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{remove_durably, write_durably};

/// Why a state file could not be read, written or removed.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// The system refused.
    #[error("{act} {path}", path = path.display())]
    Io {
        /// `read`, `write` or `remove`.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not JSON, or not the document that it should be.
    #[error("understand {path}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A newer program wrote it.
    #[error(
        "go on with {path}: it has format {found}, and this program knows {known}; start the newer \
         program again",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format that it has.
        found: u32,
        /// The highest format that this program knows.
        known: u32,
    },
}

impl StateFileError {
    /// Which file it is.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. } | Self::Malformed { path, .. } | Self::Newer { path, .. } => path,
        }
    }

    /// What is wrong with the file, without its name.
    pub fn fault(&self) -> String {
        match self {
            Self::Io { source, .. } => source.to_string(),
            Self::Malformed { source, .. } => source.to_string(),
            Self::Newer { found, known, .. } => {
                format!("it has format {found}, this program knows {known}")
            }
        }
    }
}

/// Reads a state file; `None` if it is not there. `known` is the highest format that this program
/// understands.
pub fn read<T: DeserializeOwned>(path: &Path, known: u32) -> Result<Option<T>, StateFileError> {
    match fs::read(path) {
        Ok(text) => parse(path, &text, known).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StateFileError::Io { act: "read", path: path.to_owned(), source }),
    }
}

/// Understands what was read of a state file. Of a newer document nothing but its format is looked at:
/// the rest may have any shape.
pub fn parse<T: DeserializeOwned>(
    path: &Path,
    text: &[u8],
    known: u32,
) -> Result<T, StateFileError> {
    let malformed = |source| StateFileError::Malformed { path: path.to_owned(), source };
    let Head { format: found } = serde_json::from_slice(text).map_err(malformed)?;
    if found > known {
        return Err(StateFileError::Newer { path: path.to_owned(), found, known });
    }
    serde_json::from_slice(text).map_err(malformed)
}

/// Puts a document on the disk, whole.
pub fn write<T: Serialize>(path: &Path, document: &T) -> Result<(), StateFileError> {
    put(path, serde_json::to_vec_pretty(document))
}

/// Puts a document on the disk, whole, as one line.
pub fn write_line<T: Serialize>(path: &Path, document: &T) -> Result<(), StateFileError> {
    put(path, serde_json::to_vec(document))
}

/// Removes a state file, durably. One that is not there is fine.
pub fn remove(path: &Path) -> Result<(), StateFileError> {
    let failed = |source| StateFileError::Io { act: "remove", path: path.to_owned(), source };
    remove_durably(path).map_err(failed)
}

fn put(path: &Path, text: serde_json::Result<Vec<u8>>) -> Result<(), StateFileError> {
    let written = text.map_err(io::Error::from).and_then(|text| write_durably(path, &text));
    written.map_err(|source| StateFileError::Io { act: "write", path: path.to_owned(), source })
}

#[derive(Deserialize)]
struct Head {
    format: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Document {
        format: u32,
        number: u8,
    }

    #[test]
    fn a_document_is_read_as_it_was_written_and_an_absent_one_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("document.json");
        assert_eq!(read::<Document>(&path, 1).unwrap(), None);
        let document = Document { format: 1, number: 7 };
        write(&path, &document).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\n  \"format\": 1,\n  \"number\": 7\n}");
        assert_eq!(read(&path, 1).unwrap().as_ref(), Some(&document));
        write_line(&path, &document).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), r#"{"format":1,"number":7}"#);
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(read::<Document>(&path, 1).unwrap(), None);
    }

    #[test]
    fn a_newer_document_of_another_shape_is_newer_and_not_malformed() {
        let newer = parse::<Document>(Path::new("d"), br#"{"format": 2, "numbers": []}"#, 1);
        assert!(matches!(newer, Err(StateFileError::Newer { found: 2, known: 1, .. })));
    }

    #[test]
    fn what_is_no_document_is_an_error_and_not_an_absent_one() {
        for text in ["", "{\"format\": 1, \"num", "{}", r#"{"format": 1}"#] {
            let parsed = parse::<Document>(Path::new("d"), text.as_bytes(), 1);
            assert!(matches!(parsed, Err(StateFileError::Malformed { .. })), "{text}");
        }
    }
}
