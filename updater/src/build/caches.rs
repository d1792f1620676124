//! What tools keep of what they have downloaded. It outlives failed builds and rollbacks, so that going
//! back needs no network.
//!
//! Each cache is a directory that the app's user owns, beside the home of its builds, where a link leads
//! to it from the place at which its tool looks. The directory that they are in belongs to the updater.
//! Whatever is in a cache was written by builds, perhaps by hostile ones: the updater counts and removes
//! it, by handles and without following a link, and reads nothing of it. No app has a cache of another's.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown, symlink,
};
use std::path::{Path, PathBuf};

use super::workspace::{HOME, forget_home, make};
use crate::release::{TreeError, disk_bytes, prune, remove_tree};

const CACHES: &str = "caches";

/// The name of each cache, and where in a home its tool looks for it. Nothing of these is a setting, nor
/// a program that a tool would run instead of its own.
const PLACES: [(&str, &str); 10] = [
    ("pip", ".cache/pip"),
    ("uv", ".cache/uv"),
    ("npm", ".npm/_cacache"),
    ("pnpm", ".local/share/pnpm/store"),
    // Of Yarn 1, and of later ones.
    ("yarn", ".cache/yarn"),
    ("yarn-berry", ".yarn/berry/cache"),
    ("cargo-crates", ".cargo/registry/cache"),
    ("cargo-index", ".cargo/registry/index"),
    ("cargo-git", ".cargo/git/db"),
    ("go", "go/pkg/mod/cache/download"),
];

/// Makes the caches that are not there, or are another user's, and returns where they are.
pub(super) fn prepare_caches(directory: &Path, uid: u32, gid: u32) -> io::Result<PathBuf> {
    let caches = directory.join(CACHES);
    if !caches.exists() {
        // A home of before has them inside, where no link can be.
        forget_home(directory)?;
        DirBuilder::new().create(&caches)?;
    }
    // Others pass through, and see nothing.
    fs::set_permissions(&caches, Permissions::from_mode(0o711))?;
    for (name, _) in PLACES {
        let cache = caches.join(name);
        match fs::symlink_metadata(&cache) {
            Ok(found) if found.is_dir() && found.uid() == uid => {
                // A bad release may have closed it.
                fs::set_permissions(&cache, Permissions::from_mode(0o700))?;
                continue;
            }
            Ok(_) => remove_tree(&cache)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        make(&cache, uid, gid)?;
    }
    Ok(caches)
}

/// Lays the links to the caches into a home that its user cannot enter yet, and gives that user the
/// directories that they are in: as long as one is the updater's, nothing can be put in its place.
pub(super) fn link_caches(home: &Path, caches: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let links = PLACES.map(|(name, place)| (caches.join(name), home.join(place)));
    for (cache, link) in &links {
        if let Some(parent) = link.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        symlink(cache, link)?;
    }
    for (_, link) in &links {
        for inner in link.ancestors().skip(1).take_while(|inner| *inner != home) {
            chown(inner, Some(uid), Some(gid))?;
        }
    }
    Ok(())
}

/// Holds what the builds under `directory` have left to `limit` bytes. Of the caches what was used
/// longest ago goes first; a home that is more than that by itself is forgotten.
pub fn bound_caches(directory: &Path, limit: u64) -> Result<(), TreeError> {
    let home = disk_bytes(&directory.join(HOME)).ok().filter(|bytes| *bytes <= limit);
    if home.is_none() {
        forget_home(directory).map_err(TreeError::of("remove", "the home"))?;
    }
    let caches = directory.join(CACHES);
    match prune(&caches, limit.saturating_sub(home.unwrap_or(0)), is_whole) {
        Err(TreeError::TooDeep(_) | TreeError::TooMany(_)) => {
            remove_tree(&caches).map_err(TreeError::of("remove", "the caches"))
        }
        pruned => pruned,
    }
}

/// Bytes that the builds under `directory` have left on the disk; none where that cannot be told, as
/// while a build runs.
pub fn size_of_caches(directory: &Path) -> Option<u64> {
    let bytes = |name| disk_bytes(&directory.join(name)).ok();
    Some(bytes(HOME).unwrap_or(0).saturating_add(bytes(CACHES)?))
}

/// Removes all that the builds under `directory` have left.
pub fn clean_caches(directory: &Path) -> io::Result<()> {
    forget_home(directory)?;
    remove_tree(&directory.join(CACHES))
}

/// Whether a path in the caches is of a directory of which a part is worse than nothing: a package that is
/// unpacked there, or a git repository.
fn is_whole(path: &[u8]) -> bool {
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let by_file = |bucket: &[u8]| {
        [&b"simple-"[..], b"wheels-", b"flat-index-", b"interpreter-"]
            .iter()
            .any(|prefix| bucket.starts_with(prefix))
    };
    let by_kind =
        |bucket: &[u8]| [&b"sdists-"[..], b"git-"].iter().any(|prefix| bucket.starts_with(prefix));
    match parts.as_slice() {
        [b"yarn", _, _] | [b"cargo-index" | b"cargo-git", _] => true,
        [b"uv", bucket, _] => !by_file(bucket) && !by_kind(bucket),
        [b"uv", bucket, _, _] => by_kind(bucket),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::workspace::Workspace;
    use super::*;

    #[test]
    fn what_was_downloaded_outlives_a_bad_release() {
        let directory = tempfile::tempdir().unwrap();
        let first = Workspace::prepare(directory.path(), None).unwrap();
        for (name, place) in PLACES {
            fs::write(first.home.join(place).join("kept"), name).unwrap();
        }
        fs::write(first.home.join(".cargo/config.toml"), "bad").unwrap();
        fs::set_permissions(first.caches.join("npm"), Permissions::from_mode(0o000)).unwrap();
        forget_home(directory.path()).unwrap();
        let second = Workspace::prepare(directory.path(), None).unwrap();
        assert!(!second.home.join(".cargo/config.toml").exists());
        for (name, place) in PLACES {
            let kept = fs::read_to_string(second.home.join(place).join("kept")).unwrap();
            assert_eq!(kept, name);
            let mode = fs::metadata(second.caches.join(name)).unwrap().mode();
            assert_eq!(mode & 0o7777, 0o700, "{name}");
        }
        assert!(size_of_caches(directory.path()).unwrap() > 0);
        clean_caches(directory.path()).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "all but TMPDIR");
        assert_eq!(size_of_caches(directory.path()), None);
    }

    #[test]
    fn what_builds_leave_is_held_to_its_bound() {
        let directory = tempfile::tempdir().unwrap();
        let Workspace { home, caches, .. } = &Workspace::prepare(directory.path(), None).unwrap();
        let (wheel, setting) = (caches.join("pip/wheel"), home.join("setting"));
        fs::write(&wheel, vec![7; 100_000]).unwrap();
        fs::write(&setting, "x").unwrap();
        bound_caches(directory.path(), 10 << 20).unwrap();
        assert!(wheel.exists() && setting.exists());
        bound_caches(directory.path(), 90_000).unwrap();
        assert!(!wheel.exists() && setting.exists());
        fs::write(&setting, vec![7; 100_000]).unwrap();
        bound_caches(directory.path(), 90_000).unwrap();
        assert!(!home.exists() && caches.exists());
    }

    #[test]
    fn more_names_in_each_other_than_are_counted_all_go() {
        let directory = tempfile::tempdir().unwrap();
        let Workspace { caches, .. } = &Workspace::prepare(directory.path(), None).unwrap();
        fs::create_dir_all(caches.join("npm").join("d/".repeat(200))).unwrap();
        bound_caches(directory.path(), 1 << 30).unwrap();
        assert!(!caches.exists());
    }

    #[test]
    fn a_home_of_before_gets_its_links() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("home/.cache/pip/http")).unwrap();
        let workspace = Workspace::prepare(directory.path(), None).unwrap();
        assert!(workspace.home.join(".cache/pip").is_symlink());
    }

    #[test]
    fn caches_of_another_user_are_not_taken_over() {
        if skip::skipped_without_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let first = Workspace::prepare(directory.path(), None).unwrap();
        fs::write(first.caches.join("pip/theirs"), "x").unwrap();
        drop(first);
        let second = Workspace::prepare(directory.path(), Some((65534, 65534))).unwrap();
        assert!(!second.caches.join("pip/theirs").exists());
        let owned = ["pip", "npm"].map(|name| second.caches.join(name));
        let inner = [".cargo/registry", ".local/share", "go"].map(|place| second.home.join(place));
        for directory in owned.iter().chain(&inner) {
            assert_eq!(fs::metadata(directory).unwrap().uid(), 65534, "{directory:?}");
        }
        assert_eq!(fs::metadata(&second.caches).unwrap().uid(), 0);
    }

    #[test]
    fn a_package_that_is_unpacked_goes_as_a_whole() {
        for (path, whole) in [
            ("yarn/v6/npm-ms-2.1.3", true),
            ("yarn/v6/npm-ms-2.1.3/node_modules", false),
            ("uv/archive-v0/x1", true),
            ("uv/wheels-v5/pypi", false),
            ("uv/sdists-v9/pypi", false),
            ("uv/sdists-v9/pypi/six", true),
            ("cargo-index/index.crates.io-1", true),
            ("cargo-crates/index.crates.io-1", false),
            ("pip/http-v2/a", false),
        ] {
            assert_eq!(is_whole(path.as_bytes()), whole, "{path}");
        }
    }
}
