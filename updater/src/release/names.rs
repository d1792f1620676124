//! The names of releases in `store/`. They are short, so that there is room for what lies below: the
//! path of a program's socket has 107 bytes.
//!
//! Which digest a short name stands for is written down in `digests/` before there is a directory of that
//! name, where no release can write, by a link that leads nowhere: its target is the digest. The record of
//! a release says it too. A release that an older updater placed has its whole digest for a name, and
//! keeps it: what a build bakes in must stay true.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::{remove_durably, sync_directory};
use protocol::Digest;

use super::{read_record, remove_release};

/// Digits of a short name.
const SHORT: usize = 12;
/// So many more each time that another release has a name.
const MORE: usize = 4;
/// Digits of a whole digest.
const WHOLE: usize = 64;

/// How long the names of new releases are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameLength {
    Short,
    /// As an older updater names them, which would not find the others.
    Whole,
}

/// The names of one app's releases.
#[derive(Debug, Clone)]
pub(super) struct ReleaseNames {
    /// Where the releases are.
    pub(super) store: PathBuf,
    /// What their short names stand for.
    pub(super) digests: PathBuf,
}

impl ReleaseNames {
    /// The directory of one release, whether it is there or not.
    pub(super) fn path(&self, digest: &Digest) -> PathBuf {
        self.store.join(self.of(digest).unwrap_or_else(|| digest.hex()))
    }

    /// Gives a release its name, durably, before its directory is made; gives that directory's path.
    /// One that has a name keeps it.
    pub(super) fn give(&self, digest: &Digest, length: NameLength) -> io::Result<PathBuf> {
        let has_one = self.of(digest).is_some();
        let free = if has_one || length == NameLength::Whole { None } else { self.free(digest)? };
        let Some(name) = free else { return Ok(self.path(digest)) };
        if !self.digests.is_dir() {
            fs::create_dir_all(&self.digests)?;
            self.digests.parent().map_or(Ok(()), sync_directory)?;
        }
        symlink(digest.hex(), self.digests.join(&name))?;
        sync_directory(&self.digests)?;
        Ok(self.store.join(name))
    }

    /// Removes a release, and its name after it. Idempotent.
    pub(super) fn remove(&self, digest: &Digest) -> io::Result<()> {
        remove_release(&self.store.join(digest.hex()))?;
        for name in short_names(digest).filter(|name| self.stands_for(name, digest)) {
            remove_release(&self.store.join(&name))?;
            sync_directory(&self.store)?;
            match remove_durably(&self.digests.join(&name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The digests of all releases that have a name, whether their directory is there or not. Other names
    /// are not ours.
    pub(super) fn all(&self) -> io::Result<Vec<Digest>> {
        let mut digests = Vec::new();
        for directory in [&self.store, &self.digests] {
            let entries = match fs::read_dir(directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries?,
            };
            for entry in entries {
                let name = entry?.file_name();
                digests.extend(name.to_str().and_then(|name| self.digest(name)));
            }
        }
        digests.sort_unstable();
        digests.dedup();
        Ok(digests)
    }

    /// The release that a name in the store stands for.
    pub(super) fn digest(&self, name: &str) -> Option<Digest> {
        if !is_release_name(name) {
            return None;
        }
        if name.len() == WHOLE {
            return name.parse().ok();
        }
        let noted = fs::read_link(self.digests.join(name)).ok();
        let noted = noted.and_then(|digest| digest.to_str()?.parse().ok());
        let recorded = || Some(read_record(&self.store.join(name)).ok()?.digest);
        let digest: Digest = noted.or_else(recorded)?;
        digest.hex().starts_with(name).then_some(digest)
    }

    fn of(&self, digest: &Digest) -> Option<String> {
        let whole = digest.hex();
        if fs::symlink_metadata(self.store.join(&whole)).is_ok() {
            return Some(whole);
        }
        short_names(digest).find(|name| self.stands_for(name, digest))
    }

    fn stands_for(&self, name: &str, digest: &Digest) -> bool {
        self.digest(name) == Some(*digest)
    }

    /// The shortest name that no other release has.
    fn free(&self, digest: &Digest) -> io::Result<Option<String>> {
        for name in short_names(digest) {
            if is_absent(&self.digests.join(&name))? && is_absent(&self.store.join(&name))? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

/// Whether this can be the name of a release in the store.
pub(super) fn is_release_name(name: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (SHORT..=WHOLE).contains(&name.len())
        && name.len().is_multiple_of(MORE)
        && name.bytes().all(hex)
}

/// Every short name that a release can have, the shortest first.
fn short_names(digest: &Digest) -> impl Iterator<Item = String> + use<> {
    let whole = digest.hex();
    (SHORT..WHOLE).step_by(MORE).map(move |length| whole[..length].to_owned())
}

fn is_absent(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{Layout, Slot};

    /// Of two such digests, the first twelve digits are the same.
    fn digest(last: u8) -> Digest {
        let mut bytes = [7; 32];
        bytes[31] = last;
        Digest::from_bytes(bytes)
    }

    fn layout() -> (tempfile::TempDir, Layout) {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().join("agent"));
        layout.create().unwrap();
        (directory, layout)
    }

    fn place(layout: &Layout, digest: &Digest, length: NameLength) -> String {
        let path = layout.name(digest, length).unwrap();
        fs::create_dir_all(&path).unwrap();
        assert_eq!(layout.release(digest), path);
        path.file_name().unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn a_name_is_short_and_stands_for_one_release() {
        let (_directory, layout) = layout();
        assert_eq!(place(&layout, &digest(1), NameLength::Short), "070707070707");
        assert_eq!(place(&layout, &digest(2), NameLength::Short), "0707070707070707");
        for byte in [1, 2] {
            layout.flip(&digest(byte)).unwrap();
            assert_eq!(layout.slot(Slot::Active).unwrap(), Some(digest(byte)));
        }
        assert!(layout.obstacles().unwrap().is_empty());
        assert_eq!(layout.stored().unwrap(), [digest(1), digest(2)]);
        // The longer name outlives the shorter one.
        layout.remove(&digest(1)).unwrap();
        layout.remove(&digest(1)).unwrap();
        assert_eq!(layout.stored().unwrap(), [digest(2)]);
        assert_eq!(layout.slot(Slot::Active).unwrap(), Some(digest(2)));
        assert_eq!(place(&layout, &digest(3), NameLength::Short), "070707070707");
    }

    #[test]
    fn a_release_that_an_older_updater_placed_keeps_its_name() {
        let (_directory, layout) = layout();
        let whole = digest(1).hex();
        assert_eq!(place(&layout, &digest(1), NameLength::Whole), whole);
        assert_eq!(place(&layout, &digest(1), NameLength::Short), whole);
        assert_eq!(place(&layout, &digest(2), NameLength::Short).len(), SHORT);
    }

    #[test]
    fn a_name_whose_directory_was_never_made_is_removed() {
        let (_directory, layout) = layout();
        layout.name(&digest(1), NameLength::Short).unwrap();
        assert_eq!(layout.stored().unwrap(), [digest(1)]);
        layout.remove(&digest(1)).unwrap();
        assert!(layout.stored().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_name_of_a_release_is_not_ours() {
        let (_directory, layout) = layout();
        for name in ["lost+found", "0707", "07070707070", "07070707070A", "070707070707"] {
            fs::create_dir(layout.store().join(name)).unwrap();
        }
        assert!(layout.stored().unwrap().is_empty());
        assert_eq!(layout.digest_named("070707070707"), None);
    }

    #[test]
    fn a_slot_whose_release_is_not_known_is_an_error_and_no_empty_host() {
        let (_directory, layout) = layout();
        place(&layout, &digest(1), NameLength::Short);
        layout.flip(&digest(1)).unwrap();
        crate::release::remove_tree(&layout.install().join("releases/digests")).unwrap();
        let error = layout.slot(Slot::Active).unwrap_err().to_string();
        assert!(error.contains("070707070707"), "{error}");
    }
}
