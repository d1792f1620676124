//! What is in the way of releases in an install directory, and is not the updater's own: it is found
//! before the first byte, and never removed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Layout;
use super::names::is_release_name;

/// One thing that is in the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} is in the way: it is {is}", path = path.display())]
pub struct Obstacle {
    pub path: PathBuf,
    /// What is there, in words.
    is: String,
    /// What to do.
    pub hint: String,
}

/// Links in `releases/`, each of which leads into the store.
const SLOTS: [&str; 5] = ["active", "prev", "active.new", "prev.new", "rescued"];
/// Links beside it that lead to a release, where two run at once.
const SIDES: [&str; 2] = ["current@a", "current@b"];

impl Layout {
    /// All that is in the way. Nothing is changed.
    pub fn obstacles(&self) -> io::Result<Vec<Obstacle>> {
        let releases = self.install().join("releases");
        let directories =
            [self.install().to_owned(), releases.clone(), self.store(), self.incoming()];
        let mut found = Vec::new();
        for directory in directories.iter().chain([&self.digests(), &self.shared()]) {
            if fs::symlink_metadata(directory).is_ok() && !directory.is_dir() {
                found.push(moved_away(directory, "not a directory".to_owned()));
            }
        }
        let in_releases = SLOTS.map(|slot| releases.join(slot));
        let to_store = |target: &Path| named_in(target, Path::new("store"));
        for link in in_releases {
            found.extend(not_ours(&link, to_store)?);
        }
        let ours =
            |target: &Path| is_current(target) || named_in(target, Path::new("releases/store"));
        found.extend(not_ours(&self.current(), is_current)?);
        for side in SIDES.iter().chain([&"current.new"]) {
            found.extend(not_ours(&self.install().join(side), ours)?);
        }
        found.extend(self.on_other_disks(&releases)?);
        Ok(found)
    }

    /// A release is moved to where it runs by a rename, which no file system does to another one.
    fn on_other_disks(&self, releases: &Path) -> io::Result<Vec<Obstacle>> {
        let mounts = mount_points()?;
        if !releases.is_dir() {
            return Ok(Vec::new());
        }
        let places = [self.store(), self.incoming()];
        let real = places.each_ref().map(|place| fs::canonicalize(place).unwrap_or_default());
        let mounted = |path: &&PathBuf| real.contains(path);
        let mut found: Vec<_> = mounts
            .iter()
            .filter(mounted)
            .map(|path| Obstacle {
                path: path.clone(),
                is: "a mount, and releases are moved by renames".to_owned(),
                hint: format!("unmount it, and mount {} instead", self.install().display()),
            })
            .collect();
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev());
        let own = device(releases)?;
        for directory in places {
            let elsewhere = device(&directory).is_ok_and(|device| device != own);
            let told = fs::canonicalize(&directory).is_ok_and(|real| mounts.contains(&real));
            if elsewhere && !told {
                found.push(Obstacle {
                    is: format!("on another file system than {}", releases.display()),
                    hint: format!("move all of {} there instead", self.install().display()),
                    path: directory,
                });
            }
        }
        Ok(found)
    }
}

/// Whether a link's target is the one that `current` has.
pub(super) fn is_current(target: &Path) -> bool {
    target == Path::new("releases/active")
}

/// Whether a link's target is a release below `directory`.
pub(super) fn named_in(target: &Path, directory: &Path) -> bool {
    let name = target.strip_prefix(directory).ok().and_then(Path::to_str);
    name.is_some_and(is_release_name)
}

/// What is there instead of nothing, or of a link of the updater's own.
fn not_ours(path: &Path, ours: impl Fn(&Path) -> bool) -> io::Result<Option<Obstacle>> {
    match fs::read_link(path) {
        Ok(target) if ours(&target) => Ok(None),
        Ok(target) => Ok(Some(moved_away(path, format!("a link to {}", target.display())))),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let what = if path.is_dir() { "a directory" } else { "a file" };
            Ok(Some(moved_away(path, format!("{what}, and no link of the updater's"))))
        }
        Err(error)
            if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn moved_away(path: &Path, is: String) -> Obstacle {
    let shown = path.display();
    Obstacle { path: path.to_owned(), is, hint: format!("run: mv {shown} {shown}.before-updater") }
}

/// Where something is mounted, as proc(5) tells of `/proc/self/mountinfo`.
fn mount_points() -> io::Result<Vec<PathBuf>> {
    let text = fs::read_to_string("/proc/self/mountinfo")?;
    Ok(text.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped).collect())
}

/// A blank, a tab, a newline and a backslash are written as `\040` and so on.
fn unescaped(text: &str) -> PathBuf {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(text.to_owned(), |text, (code, is)| text.replace(code, is)).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use protocol::Digest;

    use super::*;

    fn said(layout: &Layout) -> Vec<String> {
        let here = layout.install().display().to_string();
        let said = layout.obstacles().unwrap().into_iter();
        said.map(|obstacle| obstacle.to_string().replace(&here, "DIR")).collect()
    }

    #[test]
    fn nothing_of_the_updaters_own_is_in_its_way() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().join("agent"));
        assert_eq!(said(&layout), [""; 0]);
        layout.create().unwrap();
        for byte in [1, 2] {
            let digest = Digest::from_bytes([byte; 32]);
            fs::create_dir(layout.release(&digest)).unwrap();
            layout.flip(&digest).unwrap();
            layout.set_prev(Some(&digest)).unwrap();
            layout.point_side("a", &digest).unwrap();
        }
        assert_eq!(said(&layout), [""; 0]);
    }

    #[test]
    fn what_is_not_ours_is_named_with_what_to_do_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path());
        fs::create_dir_all(layout.current()).unwrap();
        fs::create_dir(directory.path().join("releases")).unwrap();
        fs::write(layout.store(), "x").unwrap();
        symlink("/srv/app", directory.path().join("releases/active")).unwrap();
        fs::write(directory.path().join("releases/prev"), "x").unwrap();
        assert_eq!(
            said(&layout),
            [
                "DIR/releases/store is in the way: it is not a directory",
                "DIR/releases/active is in the way: it is a link to /srv/app",
                "DIR/releases/prev is in the way: it is a file, and no link of the updater's",
                "DIR/current is in the way: it is a directory, and no link of the updater's",
            ]
        );
        let hint = &layout.obstacles().unwrap().pop().unwrap().hint;
        assert!(hint.ends_with("current.before-updater"), "{hint}");
        layout.clear().unwrap();
        layout.sweep_links().unwrap();
        layout.set_prev(None).unwrap();
        assert_eq!(said(&layout).len(), 4);
    }
}
