//! Finding the program of a command.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::spawn_error::SpawnError;

/// The PATH of a process that was given none.
pub const STANDARD_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Finds a command's program as the process itself would: a word without a slash in its PATH, one
/// with a slash from its directory.
pub fn resolve(word: &str, directory: &Path, path: &str) -> Result<PathBuf, SpawnError> {
    if word.is_empty() {
        return Err(SpawnError::Empty);
    }
    if word.contains('/') {
        let program = directory.join(word);
        return match executable(&program) {
            Ok(None) => Ok(program),
            Ok(Some(why)) => Err(SpawnError::NotExecutable { program, why }),
            Err(source) => Err(SpawnError::Unreadable { program, source }),
        };
    }
    path.split(':')
        .filter(|part| !part.is_empty())
        .map(|part| directory.join(part).join(word))
        .find(|candidate| executable(candidate).is_ok_and(|why| why.is_none()))
        .ok_or_else(|| SpawnError::NotInPath { program: word.to_owned(), path: path.to_owned() })
}

/// What keeps a file from being executed, if anything does.
fn executable(file: &Path) -> io::Result<Option<&'static str>> {
    let metadata = match std::fs::metadata(file) {
        Ok(metadata) => metadata,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound => Ok(Some("there is no such file")),
                io::ErrorKind::NotADirectory => Ok(Some("what it should be in is no directory")),
                _ => Err(error),
            };
        }
    };
    if !metadata.is_file() {
        return Ok(Some("it is not a file"));
    }
    let executable = metadata.permissions().mode() & 0o111 != 0;
    Ok((!executable).then_some("it is not executable: pack it with mode 0755"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_without_a_slash_is_looked_up_in_the_given_path() {
        let directory = tempfile::tempdir().unwrap();
        let tool = directory.path().join("tool");
        std::fs::copy("/bin/true", &tool).unwrap();
        let path = directory.path().to_str().unwrap();
        assert_eq!(resolve("tool", Path::new("/"), path).unwrap(), tool);
        assert!(resolve("tool", Path::new("/"), STANDARD_PATH).is_err());
        assert_eq!(resolve("./tool", directory.path(), "").unwrap(), directory.path().join("tool"));
    }
}
