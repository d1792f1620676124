//! What a path in a release leads to, also by way of the release's `links` into `shared/`. What the app's user puts
//! in the way leads out of neither.

use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::sys::fs::{open_any, open_any_within, open_directory};

/// Opens what a path names, without the right to read it. A relative one stays in the release and its `shared/`;
/// an absolute one is the administrator's word, and leads wherever it leads.
pub fn open_named(release: &Path, path: &Path) -> io::Result<OwnedFd> {
    if path.is_absolute() {
        return open_any(path);
    }
    let place = release.join(path).canonicalize()?;
    let mut tops = vec![release.canonicalize()?];
    // From <install>/releases/store/<name>.
    let shared = release.ancestors().nth(3).map(|install| install.join("shared").canonicalize());
    if let Some(Ok(shared)) = shared {
        tops.extend(led_elsewhere(&shared, path));
        tops.push(shared);
    }
    let within = tops.iter().find_map(|top| Some((top, place.strip_prefix(top).ok()?)));
    let (top, rest) = within.ok_or_else(|| {
        let to = place.display();
        io::Error::other(format!("it leads to {to}, out of the release and its shared directory"))
    })?;
    // Since it was resolved, links may have come in the way: from here on none is followed.
    open_any_within(open_directory(top)?, rest)
}

/// Where a link of the host's administrator leads, which puts a part of `shared/` on another disk: no
/// other user may have made it, or may replace it.
fn led_elsewhere(shared: &Path, path: &Path) -> Option<PathBuf> {
    let ours = rustix::process::geteuid().as_raw();
    let is_ours = |metadata: &Metadata| metadata.uid() == 0 || metadata.uid() == ours;
    let mut place = shared.to_owned();
    let mut metadata = place.symlink_metadata().ok()?;
    for part in path.parent()? {
        if !is_ours(&metadata) || metadata.mode() & 0o022 != 0 {
            return None;
        }
        place.push(part);
        metadata = place.symlink_metadata().ok()?;
        if metadata.is_symlink() {
            return is_ours(&metadata).then(|| place.canonicalize().ok()).flatten();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::sys::fs::read_named;

    struct Install {
        directory: tempfile::TempDir,
        release: PathBuf,
    }

    impl Install {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let release = directory.path().join("app/releases/store/0123");
            fs::create_dir_all(&release).unwrap();
            fs::create_dir_all(directory.path().join("app/shared/run")).unwrap();
            fs::create_dir(directory.path().join("outside")).unwrap();
            symlink(Path::new("../../..").join("shared/run"), release.join("run")).unwrap();
            for place in ["app/shared/run/file", "app/releases/store/0123/file", "outside/file"] {
                fs::write(directory.path().join(place), place).unwrap();
            }
            Self { directory, release }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn read(&self, path: impl AsRef<Path>) -> io::Result<String> {
            let handle = open_named(&self.release, path.as_ref())?;
            Ok(String::from_utf8(read_named(&handle, "file", 100)?).unwrap())
        }
    }

    #[test]
    fn the_links_of_a_release_are_followed_into_shared() {
        let install = Install::new();
        assert_eq!(install.read("run/file").unwrap(), "app/shared/run/file");
        assert_eq!(install.read("file").unwrap(), "app/releases/store/0123/file");
        symlink(Path::new("../../..").join("shared/run/file"), install.release.join("alone"))
            .unwrap();
        assert_eq!(install.read("alone").unwrap(), "app/shared/run/file");
        assert_eq!(install.read(install.path("outside/file")).unwrap(), "outside/file");
        assert_eq!(install.read("run/none").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn no_link_leads_out_of_the_release_and_its_shared_directory() {
        let install = Install::new();
        let outside = install.path("outside");
        symlink(outside.join("file"), install.path("app/shared/run/link")).unwrap();
        symlink(&outside, install.release.join("way")).unwrap();
        for path in ["run/link", "way/file", "../../../../outside/file"] {
            let error = install.read(path).unwrap_err().to_string();
            assert!(error.contains("out of the release"), "{path}: {error}");
        }
        assert!(install.read("run").is_err(), "a directory has been read");
    }

    #[test]
    fn shared_and_its_parts_may_be_where_the_administrator_has_them() {
        let install = Install::new();
        fs::rename(install.path("app/shared"), install.path("elsewhere")).unwrap();
        symlink(install.path("elsewhere"), install.path("app/shared")).unwrap();
        assert_eq!(install.read("run/file").unwrap(), "app/shared/run/file");
        fs::rename(install.path("elsewhere/run"), install.path("run")).unwrap();
        symlink(install.path("run"), install.path("elsewhere/run")).unwrap();
        assert_eq!(install.read("run/file").unwrap(), "app/shared/run/file");
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(install.path("elsewhere/run"), Some(4242), None).unwrap();
            assert!(install.read("run/file").is_err());
        }
    }
}
