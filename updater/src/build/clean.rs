//! Removing what a build has left and the release does not need, as it says itself.

use std::fs;
use std::io;
use std::path::Path;

use crate::release::remove_tree;

/// Why something was not removed.
#[derive(Debug, thiserror::Error)]
#[error("clean {path:?}")]
pub struct CleanError {
    path: String,
    source: io::Error,
}

/// Removes these paths of a release, which is sealed: no link that its build has made leads elsewhere.
/// What is not there is fine.
pub fn clean(release: &Path, paths: &[String]) -> Result<(), CleanError> {
    for path in paths {
        remove(release, path).map_err(|source| CleanError { path: path.clone(), source })?;
    }
    Ok(())
}

fn remove(release: &Path, path: &str) -> io::Result<()> {
    let mut place = release.to_owned();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_dir() => place.push(part),
            Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    remove_tree(&place)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_named_goes_and_nothing_outside_of_the_release() {
        let directory = tempfile::tempdir().unwrap();
        let (release, outside) =
            (directory.path().join("release"), directory.path().join("outside"));
        fs::create_dir_all(release.join("target/debug/deps")).unwrap();
        fs::create_dir_all(release.join("target/release")).unwrap();
        fs::create_dir_all(outside.join("debug")).unwrap();
        symlink(&outside, release.join("out")).unwrap();
        symlink(&outside, release.join("link")).unwrap();
        let paths = ["target/debug", "./target/none/", "link"].map(str::to_owned);
        clean(&release, &paths).unwrap();
        assert!(!release.join("target/debug").exists() && release.join("target/release").exists());
        assert!(!release.join("link").is_symlink());
        assert!(clean(&release, &["out/debug".to_owned()]).is_err());
        assert!(outside.join("debug").exists());
    }
}
