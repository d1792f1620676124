//! Writing keys and certificates.
//!
//! A directory of keys appears whole or not at all, and never takes the place of anything: it is
//! written beside its place under a name that says what it is, made durable, and renamed. A key is
//! 0600 from its first byte on.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use zeroize::Zeroizing;

use crate::{FileError, IdentityFiles};

/// A private key in PEM. It is wiped when it is dropped, and does not show itself.
pub struct PrivatePem(Zeroizing<String>);

impl PrivatePem {
    pub(crate) fn new(pem: String) -> Self {
        Self(Zeroizing::new(pem))
    }

    /// The text, for a program that passes the key on.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivatePem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrivatePem(..)")
    }
}

/// A directory of keys and certificates that does not exist yet.
#[derive(Debug)]
pub struct Bundle<'a> {
    directory: PathBuf,
    files: Vec<NewFile<'a>>,
}

#[derive(Debug)]
enum NewFile<'a> {
    Certificate(String, &'a str),
    Key(String, &'a PrivatePem),
}

impl<'a> Bundle<'a> {
    /// A bundle without files, which will be the directory of this name.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, files: Vec::new() }
    }

    pub(crate) fn certificate(mut self, name: impl Into<String>, pem: &'a str) -> Self {
        self.files.push(NewFile::Certificate(name.into(), pem));
        self
    }

    pub(crate) fn key(mut self, name: impl Into<String>, pem: &'a PrivatePem) -> Self {
        self.files.push(NewFile::Key(name.into(), pem));
        self
    }

    /// The directory that it will be.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether it could be written: nothing is there yet but, at most, an empty directory.
    pub fn check(&self) -> Result<(), FileError> {
        let there = || FileError::AlreadyThere(self.directory.clone());
        match fs::read_dir(&self.directory).map(|mut entries| entries.next().is_some()) {
            Ok(false) => {}
            Ok(true) => return Err(there()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(there()),
            Err(source) => {
                return Err(FileError::Read { path: self.directory.clone(), source });
            }
        }
        let litter = self.staging();
        match litter.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(FileError::Read { path: litter, source }),
            Ok(_) => Err(self.litter()),
        }
    }

    /// Where it is written before it is whole.
    fn staging(&self) -> PathBuf {
        let name = self.directory.file_name().unwrap_or_default().to_string_lossy();
        self.parent().join(format!(".{name}.incomplete"))
    }

    fn litter(&self) -> FileError {
        FileError::Litter { path: self.directory.clone(), litter: self.staging() }
    }

    fn parent(&self) -> &Path {
        match self.directory.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        }
    }

    /// Writes everything under another name; nothing is left of it if that fails.
    fn stage(&self) -> Result<(), FileError> {
        make_directories(self.parent())?;
        let staging = self.staging();
        DirBuilder::new().mode(0o700).create(&staging).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => self.litter(),
            _ => FileError::Write { path: staging.clone(), source },
        })?;
        self.fill(&staging).inspect_err(|_| self.unstage())
    }

    fn fill(&self, staging: &Path) -> Result<(), FileError> {
        for file in &self.files {
            let path = staging.join(file.name());
            file.write(&path).map_err(written(&path))?;
        }
        sync(staging)
    }

    /// `rename(2)` takes the place of an empty directory, and of nothing else.
    fn publish(&self) -> Result<(), FileError> {
        match fs::rename(self.staging(), &self.directory) {
            Ok(()) => sync(self.parent()),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                Err(FileError::AlreadyThere(self.directory.clone()))
            }
            Err(source) => Err(FileError::Write { path: self.directory.clone(), source }),
        }
    }

    /// Changes places with the directory that is there, in one act, and puts that one aside.
    fn replace(&self, aside: &Path) -> Result<(), FileError> {
        self.exchange()?;
        let staging = self.staging();
        fs::rename(&staging, aside).map_err(written(aside))?;
        sync(self.parent())
    }

    fn exchange(&self) -> Result<(), FileError> {
        renameat_with(CWD, self.staging(), CWD, &self.directory, RenameFlags::EXCHANGE)
            .map_err(|error| written(&self.directory)(error.into()))?;
        sync(self.parent())
    }

    /// Takes back what [`Self::stage`] did. What cannot be taken back is named by the next run.
    fn unstage(&self) {
        let staging = self.staging();
        for file in &self.files {
            let _ = fs::remove_file(staging.join(file.name()));
        }
        let _ = fs::remove_dir(staging);
    }
}

impl NewFile<'_> {
    fn name(&self) -> &str {
        let (Self::Certificate(name, _) | Self::Key(name, _)) = self;
        name
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let (mode, text) = match self {
            Self::Certificate(_, pem) => (0o644, *pem),
            Self::Key(_, pem) => (0o600, pem.as_str()),
        };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }
}

/// Writes all bundles, durably. All of them are checked, and then written under another name,
/// before the first takes its place; directories that are missing on the way are made, 0700.
pub fn write_bundles(bundles: &[Bundle<'_>]) -> Result<(), FileError> {
    for bundle in bundles {
        bundle.check()?;
    }
    for (index, bundle) in bundles.iter().enumerate() {
        if let Err(error) = bundle.stage() {
            bundles[..index].iter().for_each(Bundle::unstage);
            return Err(error);
        }
    }
    for (index, bundle) in bundles.iter().enumerate() {
        if let Err(error) = bundle.publish() {
            bundles[index..].iter().for_each(Bundle::unstage);
            return Err(error);
        }
    }
    Ok(())
}

/// Writes a bundle in the place of the one that is there, in one act: at every instant there is the one
/// or the other, whole. What a run that was cut short has left beside it goes.
pub fn replace_bundle(bundle: &Bundle<'_>) -> Result<(), FileError> {
    bundle.unstage();
    bundle.stage()?;
    bundle.exchange()?;
    bundle.unstage();
    sync(bundle.parent())
}

/// Writes an updater's three files to a directory that is not there yet. What is in `to` already is an
/// error, or is put `aside` under that name beside it.
pub fn place_updater(
    files: &IdentityFiles,
    to: &Path,
    aside: Option<&Path>,
) -> Result<(), FileError> {
    let paths = &files.paths;
    let text = |path: &Path, bytes: &[u8]| {
        String::from_utf8(bytes.to_vec()).map_err(|error| FileError::Read {
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()),
        })
    };
    let ca = text(&paths.ca, &files.ca)?;
    let certificate = text(&paths.certificate, &files.certificate)?;
    let key = PrivatePem::new(text(&paths.key, &files.key)?);
    let bundle = Bundle::new(to.to_owned())
        .certificate("ca.crt", &ca)
        .certificate("updater.crt", &certificate)
        .key("updater.key", &key);
    let Some(aside) = aside else { return write_bundles(&[bundle]) };
    bundle.stage()?;
    bundle.replace(aside)
}

/// Makes a directory and those above it, each durable in its parent.
fn make_directories(path: &Path) -> Result<(), FileError> {
    let missing: Vec<_> = path
        .ancestors()
        .take_while(|ancestor| *ancestor != Path::new("") && !ancestor.exists())
        .collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(written(path))?;
    for parent in missing.iter().filter_map(|path| path.parent()) {
        sync(if parent == Path::new("") { Path::new(".") } else { parent })?;
    }
    Ok(())
}

fn sync(directory: &Path) -> Result<(), FileError> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(written(directory))
}

fn written(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError::Write { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::Paths;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    fn bundle(directory: PathBuf, key: &PrivatePem) -> Bundle<'_> {
        Bundle::new(directory).certificate("x.crt", "certificate").key("x.key", key)
    }

    #[test]
    fn another_identity_is_put_aside_whole() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        for name in ["one", "two"] {
            let key = PrivatePem::new(format!("key {name}"));
            let files = Bundle::new(path(name)).key("updater.key", &key);
            let files = files.certificate("updater.crt", "certificate").certificate("ca.crt", "ca");
            write_bundles(&[files]).unwrap();
        }
        let key = |name: &str| fs::read_to_string(path(name).join("updater.key")).unwrap();
        let files = |name: &str| IdentityFiles::read(&Paths::updater(&path(name))).unwrap();
        place_updater(&files("one"), &path("identity"), None).unwrap();
        fs::write(path("identity/notes"), "mine").unwrap();
        let refused = place_updater(&files("two"), &path("identity"), None).unwrap_err();
        assert!(matches!(refused, FileError::AlreadyThere(_)), "{refused:?}");
        assert_eq!(key("identity"), "key one");
        place_updater(&files("two"), &path("identity"), Some(&path("aside"))).unwrap();
        assert_eq!((key("identity"), key("aside")), ("key two".into(), "key one".into()));
        assert_eq!(fs::read_to_string(path("aside/notes")).unwrap(), "mine");
        assert_eq!(mode(&path("identity/updater.key")), 0o600);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 4);
    }

    #[test]
    fn a_bundle_takes_the_place_of_the_one_before_also_after_a_run_that_was_cut_short() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("master");
        for name in ["one", "two", "three"] {
            let key = PrivatePem::new(format!("key {name}"));
            let bundle = bundle(directory.clone(), &key);
            if name == "one" {
                write_bundles(&[bundle]).unwrap();
            } else {
                // Killed before the exchange, and after it.
                bundle.stage().unwrap();
                if name == "three" {
                    bundle.exchange().unwrap();
                }
                replace_bundle(&bundle).unwrap();
            }
            let written = fs::read_to_string(directory.join("x.key")).unwrap();
            assert_eq!(written, format!("key {name}"));
            assert_eq!(mode(&directory.join("x.key")), 0o600);
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "no litter");
        }
    }

    #[test]
    fn a_bundle_appears_whole_and_private() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/b/ca");
        let key = PrivatePem::new("key".into());
        write_bundles(&[bundle(directory.clone(), &key)]).unwrap();
        assert_eq!(fs::read_to_string(directory.join("x.crt")).unwrap(), "certificate");
        assert_eq!(fs::read_to_string(directory.join("x.key")).unwrap(), "key");
        assert_eq!(mode(&directory.join("x.key")), 0o600);
        for made in ["a", "a/b", "a/b/ca"] {
            assert_eq!(mode(&home.path().join(made)), 0o700, "{made}");
        }
        assert_eq!(fs::read_dir(home.path().join("a/b")).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_overwritten_and_all_is_checked_first() {
        let home = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| home.path().join(name));
        fs::create_dir(&second).unwrap();
        fs::write(second.join("x.key"), "precious").unwrap();
        let key = PrivatePem::new("key".into());
        let both = [bundle(first.clone(), &key), bundle(second.clone(), &key)];
        assert!(
            matches!(write_bundles(&both), Err(FileError::AlreadyThere(path)) if path == second)
        );
        assert_eq!(fs::read_to_string(second.join("x.key")).unwrap(), "precious");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "only what was there is there");

        fs::write(&first, "a file in the way").unwrap();
        assert!(matches!(write_bundles(&both[..1]), Err(FileError::AlreadyThere(_))));
        assert_eq!(fs::read_to_string(&first).unwrap(), "a file in the way");
    }

    #[test]
    fn an_empty_directory_is_no_obstacle() {
        let home = tempfile::tempdir().unwrap();
        let key = PrivatePem::new("key".into());
        write_bundles(&[bundle(home.path().join("ca"), &key)]).unwrap();
        fs::create_dir(home.path().join("empty")).unwrap();
        write_bundles(&[bundle(home.path().join("empty"), &key)]).unwrap();
        assert_eq!(mode(&home.path().join("empty")), 0o700);
    }

    #[test]
    fn a_run_that_was_cut_short_is_explained_by_the_next() {
        let home = tempfile::tempdir().unwrap();
        let key = PrivatePem::new("key".into());
        let bundle = bundle(home.path().join("ca"), &key);
        bundle.stage().unwrap();
        assert!(!home.path().join("ca").exists(), "nothing half is in its place");
        assert!(bundle.stage().is_err());
        assert!(home.path().join(".ca.incomplete/x.key").exists(), "nor is the other run harmed");
        let message = write_bundles(&[bundle]).unwrap_err().to_string();
        assert!(message.contains("cut short"), "{message}");
        assert!(message.ends_with("/.ca.incomplete"), "{message}");
    }

    #[test]
    fn what_fails_half_way_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let key = PrivatePem::new("key".into());
        let good = bundle(home.path().join("good"), &key);
        let bad = bundle(home.path().join("bad"), &key).certificate("no/such", "directory");
        let failed = write_bundles(&[good, bad]).unwrap_err();
        assert!(matches!(failed, FileError::Write { path, .. } if path.ends_with("no/such")));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = PrivatePem::new("-----BEGIN PRIVATE KEY-----".into());
        assert_eq!(format!("{key:?}"), "PrivatePem(..)");
    }
}
