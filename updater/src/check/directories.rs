//! The directories that the updater writes: that it can, that no other user can, and that the app's
//! user gets to its releases.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::account::Account;
use crate::config::Finding;
use crate::release::Layout;

/// A directory in which an entry belongs to its owner alone.
const STICKY: u32 = 0o1000;

/// Where an app's releases are. `user` is whom they run as, where that is not the updater itself.
pub(super) fn check_install(
    key: &str,
    path: &Path,
    user: Option<&Account>,
    own: &Account,
    findings: &mut Vec<Finding>,
) {
    check_writable(key, path, findings);
    check_obstacles(key, path, findings);
    let path = &resolved(path);
    let inside = ["releases", "releases/store", "releases/digests"].map(|name| path.join(name));
    let ours = std::iter::once(path.clone()).chain(inside);
    let parents = path.ancestors().skip(1).map(Path::to_owned);
    for directory in parents.chain(ours) {
        let Ok(metadata) = fs::metadata(&directory) else { continue };
        check_owner(key, &directory, &metadata, user, own, findings);
    }
    if let Some(user) = user {
        check_entry(key, path, user, findings);
    }
}

/// Where journals are: a user that can write them can make the updater do things.
pub(super) fn check_state(path: &Path, own: &Account, findings: &mut Vec<Finding>) {
    check_writable("state_dir", path, findings);
    for directory in resolved(path).ancestors() {
        let Ok(metadata) = fs::metadata(directory) else { continue };
        check_owner("state_dir", directory, &metadata, None, own, findings);
    }
}

/// That a user gets to a directory, as far as it exists.
pub(super) fn check_entry(key: &str, path: &Path, user: &Account, findings: &mut Vec<Finding>) {
    let path = resolved(path);
    let closed = path.ancestors().find(|directory| {
        fs::metadata(directory).is_ok_and(|metadata| {
            !user.access(metadata.uid(), metadata.gid(), metadata.mode()).enter
        })
    });
    if let Some(closed) = closed {
        findings.push(
            Finding::error(key, format!("{} cannot enter {}", user.name, closed.display()))
                .hint(format!("run: chmod o+x {}", closed.display())),
        );
    }
}

/// That nothing lies where releases and their links go.
fn check_obstacles(key: &str, path: &Path, findings: &mut Vec<Finding>) {
    match Layout::new(path).obstacles() {
        Ok(obstacles) => findings.extend(
            obstacles
                .into_iter()
                .map(|obstacle| Finding::error(key, obstacle.to_string()).hint(obstacle.hint)),
        ),
        Err(error) => {
            findings.push(Finding::error(key, format!("look into {}: {error}", path.display())));
        }
    }
}

fn check_writable(key: &str, path: &Path, findings: &mut Vec<Finding>) {
    // Which one it is depends on where the updater is started; that is found in the configuration itself.
    if path.is_relative() {
        return;
    }
    let nearest = match nearest_existing(path) {
        Ok((nearest, metadata)) if metadata.is_dir() => nearest,
        Ok((nearest, _)) => {
            let message = format!("{} is not a directory", nearest.display());
            findings.push(Finding::error(key, message));
            return;
        }
        Err(error) => {
            findings.push(Finding::error(key, format!("look at {}: {error}", path.display())));
            return;
        }
    };
    if let Err(errno) = access(nearest.as_path(), AccessFlags::W_OK | AccessFlags::X_OK) {
        let what = if nearest == path { "write" } else { "make directories in" };
        findings
            .push(Finding::error(key, format!("{what} {}: {}", nearest.display(), errno.desc())));
    }
}

/// The directory itself, or the nearest one above it in which it would be made.
fn nearest_existing(path: &Path) -> io::Result<(PathBuf, Metadata)> {
    for directory in path.ancestors() {
        match fs::metadata(directory) {
            Ok(metadata) => return Ok((directory.to_owned(), metadata)),
            Err(error)
                if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory]
                    .contains(&error.kind()) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from(io::ErrorKind::NotFound))
}

/// The path without links: the users that can write above the link's end count, too.
fn resolved(path: &Path) -> PathBuf {
    path.ancestors()
        .find_map(|directory| {
            let real = fs::canonicalize(directory).ok()?;
            let rest = path.strip_prefix(directory).ok()?;
            Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
        })
        .unwrap_or_else(|| path.to_owned())
}

/// A user that can write a directory can replace what is in it, unless it is sticky. If that is the app's
/// own user, a release can make itself the one that is gone back to.
fn check_owner(
    key: &str,
    directory: &Path,
    metadata: &Metadata,
    user: Option<&Account>,
    own: &Account,
    findings: &mut Vec<Finding>,
) {
    let sticky = metadata.mode() & STICKY != 0;
    let (owner, mode) = (metadata.uid(), metadata.mode());
    let shown = directory.display();
    if let Some(user) = user.filter(|user| !user.uid.is_root())
        && user.access(owner, metadata.gid(), mode).write
        && (!sticky || user.uid.as_raw() == owner)
    {
        findings.push(
            Finding::error(
                key,
                format!("{} can write {shown}, and so replace releases", user.name),
            )
            .hint(format!("run: chown root {shown} && chmod go-w {shown}")),
        );
    } else if owner != 0 && owner != own.uid.as_raw() {
        findings.push(
            Finding::error(key, format!("{shown} belongs to another user (uid {owner})"))
                .hint(format!("run: chown root {shown}")),
        );
    } else if mode & 0o022 != 0 && !sticky {
        let finding = if mode & 0o002 != 0 { Finding::error } else { Finding::warning };
        let who = if mode & 0o002 != 0 { "everybody" } else { "its group" };
        findings.push(
            finding(key, format!("{who} can write {shown}"))
                .hint(format!("run: chmod go-w {shown}")),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use nix::unistd::User;

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn found(check: impl FnOnce(&mut Vec<Finding>)) -> Vec<String> {
        let mut findings = Vec::new();
        check(&mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        chmod(directory.path(), 0o755);
        directory
    }

    #[test]
    fn a_directory_that_would_be_made_is_fine() {
        let directory = directory();
        let install = directory.path().join("opt/agent");
        let own = Account::own();
        assert!(found(|f| check_install("k", &install, None, &own, f)).is_empty());
        assert!(found(|f| check_state(&install, &own, f)).is_empty());
        assert!(!install.exists());
    }

    #[test]
    fn a_file_in_the_way_is_told() {
        let directory = directory();
        fs::write(directory.path().join("opt"), "").unwrap();
        let install = directory.path().join("opt/agent");
        let said = found(|f| check_install("k", &install, None, &Account::own(), f));
        assert!(said[0].contains("opt is not a directory"), "{said:?}");
    }

    #[test]
    fn what_is_above_the_end_of_a_link_counts() {
        let (directory, elsewhere) = (directory(), directory());
        fs::create_dir_all(elsewhere.path().join("open/opt")).unwrap();
        chmod(&elsewhere.path().join("open"), 0o777);
        let link = directory.path().join("opt");
        std::os::unix::fs::symlink(elsewhere.path().join("open/opt"), &link).unwrap();
        let said = found(|f| check_install("k", &link.join("agent"), None, &Account::own(), f));
        assert!(said[0].contains("everybody can write"), "{said:?}");
    }

    #[test]
    fn what_others_can_write_is_told_and_a_sticky_parent_is_fine() {
        let directory = directory();
        let install = directory.path().join("agent");
        fs::create_dir_all(install.join("releases/store")).unwrap();
        let said = |mode| {
            chmod(&install.join("releases"), mode);
            found(|f| check_install("k", &install, None, &Account::own(), f))
        };
        assert!(said(0o777)[0].contains("everybody can write"));
        assert!(said(0o775)[0].contains("its group can write"));
        assert!(said(0o1777).is_empty());
        assert!(said(0o755).is_empty());
    }

    /// Needs root, as whom only it can give directories away.
    #[test]
    fn a_user_that_could_swap_the_store_is_an_error() {
        if skip::skipped_without_root() {
            return;
        }
        let own = Account::own();
        let nobody = User::from_name("nobody").unwrap().unwrap();
        let mut ignored = Vec::new();
        let user = super::super::account::check("u", Some("nobody"), &own, &mut ignored).unwrap();
        let directory = directory();
        let install = directory.path().join("parent/agent");
        fs::create_dir_all(&install).unwrap();
        let check = |f: &mut Vec<Finding>| check_install("k", &install, Some(&user), &own, f);
        assert!(found(check).is_empty());
        chown(directory.path().join("parent"), Some(nobody.uid.as_raw()), None).unwrap();
        assert!(found(check)[0].contains("nobody can write"), "{:?}", found(check));
        chown(directory.path().join("parent"), Some(0), None).unwrap();
        chmod(&install, 0o700);
        assert!(found(check)[0].contains("nobody cannot enter"), "{:?}", found(check));
    }
}
