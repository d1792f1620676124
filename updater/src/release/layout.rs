//! The install directory: where its links and directories are, and the flip of `active`.
//!
//! Slots are relative symbolic links into `store/`. A flip is one `rename(2)` of a link, so there
//! is no instant at which `current` dangles or shows half a release.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::{remove_durably, sync_directory};
use protocol::{Digest, TransactionId};

use super::names::{NameLength, ReleaseNames, is_release_name};
use super::obstacle::{is_current, named_in};
use crate::sys::checkpoint;

/// The paths of one app's install directory.
#[derive(Debug, Clone)]
pub struct Layout {
    install: PathBuf,
}

/// The links that name a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Slot {
    Active,
    /// Where a plain rollback goes.
    Prev,
    /// Where `active` is about to go.
    #[strum(serialize = "active.new")]
    New,
    /// What the rescue came back from, and no updater has written down yet. Only of the
    /// updater's own releases.
    Rescued,
}

impl Layout {
    /// The layout under an install directory, which need not exist yet.
    pub fn new(install: impl Into<PathBuf>) -> Self {
        Self { install: install.into() }
    }

    pub fn install(&self) -> &Path {
        &self.install
    }

    /// `current`, for units, crontabs and people.
    pub fn current(&self) -> PathBuf {
        self.install.join("current")
    }

    /// What lives across releases.
    pub fn shared(&self) -> PathBuf {
        self.install.join("shared")
    }

    /// Where releases are: [`Layout::release`] says under which name.
    pub fn store(&self) -> PathBuf {
        self.releases().join("store")
    }

    /// Where archives are unpacked.
    pub fn incoming(&self) -> PathBuf {
        self.releases().join("incoming")
    }

    /// Where one transaction unpacks its archive.
    pub fn staging(&self, transaction: &TransactionId) -> PathBuf {
        self.incoming().join(transaction.as_str())
    }

    /// The directory of one release, whether it is there or not.
    pub fn release(&self, digest: &Digest) -> PathBuf {
        self.names().path(digest)
    }

    /// Gives a release its name in the store, durably, before its directory is made; gives that
    /// directory's path. One that has a name keeps it.
    pub fn name(&self, digest: &Digest, length: NameLength) -> io::Result<PathBuf> {
        self.names().give(digest, length)
    }

    /// Removes a release, and its name after it. Idempotent.
    pub fn remove(&self, digest: &Digest) -> io::Result<()> {
        self.names().remove(digest)
    }

    /// The digests of all releases that have a name, whether their directory is there or not. Names that are
    /// no release's are not ours.
    pub fn stored(&self) -> io::Result<Vec<Digest>> {
        self.names().all()
    }

    /// The release that a name in the store stands for.
    pub fn digest_named(&self, name: &str) -> Option<Digest> {
        self.names().digest(name)
    }

    /// Makes the directories that every release needs.
    pub fn create(&self) -> io::Result<()> {
        let needed = [self.store(), self.incoming(), self.shared()];
        if needed.iter().all(|directory| directory.is_dir()) {
            return Ok(());
        }
        for directory in needed {
            fs::create_dir_all(directory)?;
        }
        sync_directory(&self.releases())?;
        sync_directory(&self.install)
    }

    /// Which release a slot names; `None` if the link is not there or does not lead into the
    /// store.
    pub fn slot(&self, slot: Slot) -> io::Result<Option<Digest>> {
        let link = self.link(slot);
        let target = match fs::read_link(&link) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            target => target?,
        };
        let name = target.strip_prefix("store").ok().and_then(Path::to_str);
        let Some(name) = name.filter(|name| is_release_name(name)) else { return Ok(None) };
        let unknown = || {
            let (link, name) = (link.display(), name.to_owned());
            io::Error::other(format!(
                "{link} leads to {name}, and nothing says which release it is"
            ))
        };
        self.digest_named(name).map(Some).ok_or_else(unknown)
    }

    /// Points `active` to a release, and makes `current` if this is the first. Idempotent.
    pub fn flip(&self, digest: &Digest) -> io::Result<()> {
        self.point(Slot::New, digest)?;
        sync_directory(&self.releases())?;
        checkpoint("new_link_made");
        fs::rename(self.link(Slot::New), self.link(Slot::Active))?;
        sync_directory(&self.releases())?;
        checkpoint("active_flipped");
        self.make_current()?;
        checkpoint("current_made");
        Ok(())
    }

    /// Points `current@<side>` to a release, for the unit of a template that has a side of this name.
    /// Idempotent.
    pub fn point_side(&self, side: &str, digest: &Digest) -> io::Result<()> {
        self.link_to(&Path::new("releases").join(self.store_target(digest)), &self.side(side))
    }

    /// Removes such a link. Idempotent.
    pub fn remove_side(&self, side: &str) -> io::Result<()> {
        remove_link(&self.side(side), |target| named_in(target, Path::new("releases/store")))
    }

    /// Takes the first release away again: `current` goes before `active`, so that it never
    /// dangles. Idempotent.
    pub fn clear(&self) -> io::Result<()> {
        remove_link(&self.current(), is_current)?;
        remove_link(&self.link(Slot::New), is_slot)?;
        remove_link(&self.link(Slot::Active), is_slot)?;
        checkpoint("active_removed");
        Ok(())
    }

    /// Points `prev` to a release, or removes it. Idempotent.
    pub fn set_prev(&self, digest: Option<&Digest>) -> io::Result<()> {
        let Some(digest) = digest else { return remove_link(&self.link(Slot::Prev), is_slot) };
        if self.slot(Slot::Prev)? == Some(*digest) {
            return Ok(());
        }
        let temporary = self.releases().join("prev.new");
        remake_link(&self.store_target(digest), &temporary)?;
        fs::rename(temporary, self.link(Slot::Prev))?;
        sync_directory(&self.releases())
    }

    /// A rescue is written down.
    pub fn forget_rescued(&self) -> io::Result<()> {
        remove_link(&self.link(Slot::Rescued), is_slot)
    }

    /// Removes what an interrupted flip left, and makes `current` where it did not come to that.
    /// `active` and `prev` are not touched.
    pub fn sweep_links(&self) -> io::Result<()> {
        remove_link(&self.link(Slot::New), is_slot)?;
        remove_link(&self.releases().join("prev.new"), is_slot)?;
        remove_link(&self.install.join("current.new"), |_| true)?;
        if self.slot(Slot::Active)?.is_some() { self.make_current() } else { Ok(()) }
    }

    /// What the short names of releases stand for.
    pub(super) fn digests(&self) -> PathBuf {
        self.releases().join("digests")
    }

    fn names(&self) -> ReleaseNames {
        ReleaseNames { store: self.store(), digests: self.digests() }
    }

    fn releases(&self) -> PathBuf {
        self.install.join("releases")
    }

    fn link(&self, slot: Slot) -> PathBuf {
        self.releases().join(slot.into_str())
    }

    fn point(&self, slot: Slot, digest: &Digest) -> io::Result<()> {
        remake_link(&self.store_target(digest), &self.link(slot))
    }

    fn store_target(&self, digest: &Digest) -> PathBuf {
        let release = self.release(digest);
        Path::new("store").join(release.file_name().unwrap_or_default())
    }

    fn side(&self, side: &str) -> PathBuf {
        self.install.join(format!("current@{side}"))
    }

    fn make_current(&self) -> io::Result<()> {
        self.link_to(Path::new("releases/active"), &self.current())
    }

    /// A link in the install directory itself.
    fn link_to(&self, target: &Path, link: &Path) -> io::Result<()> {
        if fs::read_link(link).is_ok_and(|found| found == target) {
            return Ok(());
        }
        let ours = |found: &Path| is_current(found) || found.starts_with("releases/store");
        match fs::read_link(link) {
            Ok(found) if !ours(&found) => return Err(in_the_way(link)),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(in_the_way(link));
            }
            _ => {}
        }
        let temporary = self.install.join("current.new");
        remake_link(target, &temporary)?;
        fs::rename(temporary, link)?;
        sync_directory(&self.install)
    }
}

/// What is no link of the updater's own is neither replaced nor removed.
fn in_the_way(path: &Path) -> io::Error {
    io::Error::other(format!("{} is in the way: it is not the updater's", path.display()))
}

fn is_slot(target: &Path) -> bool {
    named_in(target, Path::new("store"))
}

/// Removes a link, durably, if it is one of the updater's own.
fn remove_link(link: &Path, ours: impl Fn(&Path) -> bool) -> io::Result<()> {
    match fs::read_link(link) {
        Ok(target) if ours(&target) => remove_durably(link),
        Err(error)
            if ![io::ErrorKind::NotFound, io::ErrorKind::InvalidInput].contains(&error.kind()) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// A link cannot be replaced in place; this one is only ever a temporary name.
fn remake_link(target: &Path, link: &Path) -> io::Result<()> {
    match fs::remove_file(link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(target, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> Digest {
        Digest::from_bytes([byte; 32])
    }

    fn layout() -> (tempfile::TempDir, Layout) {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().join("agent"));
        layout.create().unwrap();
        for byte in [1, 2] {
            fs::create_dir(layout.release(&digest(byte))).unwrap();
        }
        (directory, layout)
    }

    #[test]
    fn a_flip_moves_active_and_current_follows() {
        let (_directory, layout) = layout();
        assert_eq!(layout.slot(Slot::Active).unwrap(), None);
        assert!(!layout.current().exists());
        for byte in [1, 2, 2] {
            layout.flip(&digest(byte)).unwrap();
            assert_eq!(layout.slot(Slot::Active).unwrap(), Some(digest(byte)));
            assert_eq!(layout.slot(Slot::New).unwrap(), None);
            let real = fs::canonicalize(layout.current()).unwrap();
            assert_eq!(real, fs::canonicalize(layout.release(&digest(byte))).unwrap());
        }
        assert_eq!(fs::read_link(layout.current()).unwrap(), Path::new("releases/active"));
    }

    #[test]
    fn lesson_11_current_resolves_at_every_instant_of_a_flip() {
        let (_directory, layout) = layout();
        layout.flip(&digest(1)).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    assert!(fs::metadata(layout.current()).unwrap().is_dir());
                }
            });
            for round in 0..100 {
                layout.flip(&digest(1 + round % 2)).unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            watcher.join().unwrap();
        });
    }

    #[test]
    fn a_first_release_can_be_taken_away_again() {
        let (_directory, layout) = layout();
        layout.flip(&digest(1)).unwrap();
        layout.clear().unwrap();
        layout.clear().unwrap();
        assert!(fs::symlink_metadata(layout.current()).is_err());
        assert_eq!(layout.slot(Slot::Active).unwrap(), None);
    }

    #[test]
    fn a_flip_that_was_cut_short_is_swept_up() {
        let (_directory, layout) = layout();
        layout.sweep_links().unwrap();
        assert!(fs::symlink_metadata(layout.current()).is_err());
        layout.flip(&digest(1)).unwrap();
        layout.point(Slot::New, &digest(2)).unwrap();
        fs::remove_file(layout.current()).unwrap();
        layout.sweep_links().unwrap();
        assert_eq!(layout.slot(Slot::New).unwrap(), None);
        assert!(layout.current().is_dir());
    }

    #[test]
    fn a_side_leads_to_its_own_release_and_not_to_the_active_one() {
        let (_directory, layout) = layout();
        layout.flip(&digest(1)).unwrap();
        for byte in [2, 1, 2] {
            layout.point_side("b", &digest(byte)).unwrap();
            let real = fs::canonicalize(layout.install().join("current@b")).unwrap();
            assert_eq!(real, fs::canonicalize(layout.release(&digest(byte))).unwrap());
        }
        layout.remove_side("b").unwrap();
        layout.remove_side("b").unwrap();
        assert!(fs::symlink_metadata(layout.install().join("current@b")).is_err());
    }

    #[test]
    fn prev_is_set_and_removed() {
        let (_directory, layout) = layout();
        layout.set_prev(Some(&digest(1))).unwrap();
        layout.set_prev(Some(&digest(2))).unwrap();
        assert_eq!(layout.slot(Slot::Prev).unwrap(), Some(digest(2)));
        layout.set_prev(None).unwrap();
        assert_eq!(layout.slot(Slot::Prev).unwrap(), None);
    }

    #[test]
    fn a_link_that_leads_elsewhere_names_no_release() {
        let (_directory, layout) = layout();
        symlink("/etc", layout.link(Slot::Prev)).unwrap();
        assert_eq!(layout.slot(Slot::Prev).unwrap(), None);
    }
}
