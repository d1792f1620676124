//! How a host comes into the fleet: keys, certificates and a configuration in a directory, and a
//! record with the fingerprint that the master pins.
//!
//! Nothing that is there is overwritten, and the record and the files are made in one act.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use explain::{Exit, Explain, FailureCode};
use pki::{AltName, Authority, AuthorityError, FileError, Issued, Request, Role, write_bundles};
use protocol::HostName;
use serde_json::json;
use store::{Address, Certificate, Event, EventType, Host, Pinned, Store, StoreError};
use time::OffsetDateTime;

use crate::home::Home;
use crate::hosts::starter::configuration;
use crate::select::is_reserved;

/// What a new host is to be.
#[derive(Debug, Clone)]
pub struct Enrollment {
    pub name: HostName,
    /// Where it is reached.
    pub address: Address,
    /// Whether it gets an updater's identity.
    pub with_updater: bool,
    pub labels: BTreeMap<String, String>,
    /// Further names and addresses for its certificates.
    pub sans: Vec<AltName>,
    /// Where its agent listens.
    pub agent_port: Option<u16>,
    /// Where its updater listens.
    pub updater_port: u16,
    /// The operator's own words.
    pub notes: Option<String>,
    /// The directory that gets the files.
    pub out_dir: PathBuf,
}

/// A host that was enrolled.
#[derive(Debug)]
pub struct Enrolled {
    pub host: Host,
    pub certificates: Vec<Certificate>,
    /// The files that were written.
    pub files: Vec<PathBuf>,
}

/// Why a host was not enrolled. Nothing was written, or it was removed again.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// The CA could not sign.
    #[error("use the CA")]
    Authority(#[from] AuthorityError),
    /// A file that would be written is there, or cannot be written.
    #[error("write the host's files")]
    File(#[from] FileError),
    /// The configuration is there already.
    #[error("write {}: it is there already, and is never overwritten", .0.display())]
    AlreadyThere(PathBuf),
    /// Something else is in the directory that is to be copied to the host.
    #[error("write into {}: it is not empty, and what is there is never overwritten", .0.display())]
    InUse(PathBuf),
    /// The directory, or the configuration in it.
    #[error("write {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    /// A selection has a use for the name.
    #[error("enroll a host named {0}: in a selection the word means every host")]
    Reserved(HostName),
    /// The record could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Explain for EnrollError {
    fn code(&self) -> FailureCode {
        match self {
            Self::Store(error) => error.code(),
            _ => FailureCode::of_exit(self.exit()),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Reserved(_) => Some("give it another name".to_owned()),
            Self::AlreadyThere(_) | Self::InUse(_) | Self::File(FileError::AlreadyThere(_)) => {
                Some("name another --out-dir".to_owned())
            }
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Reserved(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

pub fn enroll(
    home: &Home,
    store: &Store,
    wanted: &Enrollment,
    who: &str,
    now: OffsetDateTime,
) -> Result<Enrolled, EnrollError> {
    if is_reserved(&wanted.name) {
        return Err(EnrollError::Reserved(wanted.name.clone()));
    }
    let mut there = fs::read_dir(&wanted.out_dir).into_iter().flatten();
    if there.next().is_some() {
        return Err(EnrollError::InUse(wanted.out_dir.clone()));
    }
    let authority = Authority::load(home.root())?;
    let issued = |role| issue(&authority, role, &wanted.address, &wanted.sans, now);
    let agent = issued(Role::Agent(wanted.name.clone()))?;
    let updater =
        if wanted.with_updater { Some(issued(Role::Updater(wanted.name.clone()))?) } else { None };
    let host = record(wanted, updater.as_ref(), now);
    let certificates: Vec<_> = [("agent", Some(&agent)), ("updater", updater.as_ref())]
        .into_iter()
        .filter_map(|(role, issued)| Some(certificate(role, issued?, now)))
        .collect();
    let event = Event {
        host: Some(host.name.clone()),
        data: json!({"address": host.address, "updater": host.has_updater, "labels": host.labels}),
        ..Event::new(EventType::HostEnrolled, now, who)
    };
    let out_dir = &wanted.out_dir;
    let files = Files { authority: &authority, agent, updater, host: &host, out_dir };
    files.in_one_act(|write| store.enroll(&host, &certificates, &event, write))?;
    let files = files.paths();
    Ok(Enrolled { host, certificates, files })
}

pub(super) fn issue(
    authority: &Authority,
    role: Role,
    address: &Address,
    sans: &[AltName],
    now: OffsetDateTime,
) -> Result<Issued, AuthorityError> {
    let mut sans = sans.to_vec();
    if let Ok(address) = address.as_str().parse::<AltName>()
        && !sans.contains(&address)
    {
        sans.push(address);
    }
    authority.issue(&Request { sans, ..Request::new(role) }, now)
}

fn record(wanted: &Enrollment, updater: Option<&Issued>, now: OffsetDateTime) -> Host {
    Host {
        name: wanted.name.clone(),
        address: wanted.address.clone(),
        has_updater: wanted.with_updater,
        updater_port: wanted.updater_port,
        agent_port: wanted.agent_port,
        sans: wanted.sans.iter().map(ToString::to_string).collect(),
        labels: wanted.labels.clone(),
        pinned: Pinned { current: updater.map(|issued| issued.fingerprint), ..Pinned::default() },
        enrolled_at: now,
        decommissioned_at: None,
        notes: wanted.notes.clone(),
        held: None,
    }
}

pub(super) fn certificate(role: &str, issued: &Issued, now: OffsetDateTime) -> Certificate {
    Certificate {
        fingerprint: issued.fingerprint,
        role: role.to_owned(),
        issued_at: now,
        not_after: issued.not_after,
    }
}

/// What goes to the host.
pub(super) struct Files<'a> {
    pub(super) authority: &'a Authority,
    pub(super) agent: Issued,
    pub(super) updater: Option<Issued>,
    pub(super) host: &'a Host,
    pub(super) out_dir: &'a Path,
}

impl Files<'_> {
    /// Writes them as the last part of what `record` does: if either fails, neither has happened.
    pub(super) fn in_one_act(
        &self,
        record: impl FnOnce(&mut dyn FnMut() -> Result<(), EnrollError>) -> Result<(), EnrollError>,
    ) -> Result<(), EnrollError> {
        let mut written = false;
        let recorded = record(&mut || {
            self.write()?;
            written = true;
            Ok(())
        });
        // The files were whole, and the record could not be kept.
        if recorded.is_err() && written {
            self.remove();
        }
        recorded
    }

    /// Everything is looked at before the first file is made.
    fn write(&self) -> Result<(), EnrollError> {
        let mut bundles = vec![self.agent.bundle(self.authority, self.out_dir.join("agent"))];
        if let Some(updater) = &self.updater {
            bundles.push(updater.bundle(self.authority, self.out_dir.join("updater")));
        }
        let starter = self.starter().filter(|path| path.symlink_metadata().is_ok());
        if let Some(path) = starter {
            return Err(EnrollError::AlreadyThere(path));
        }
        for bundle in &bundles {
            bundle.check()?;
        }
        let out_dir = self.out_dir;
        make_private(out_dir).map_err(write_error(out_dir))?;
        write_bundles(&bundles)?;
        let Some(path) = self.starter() else { return Ok(()) };
        write_new(&path, &configuration(self.host)).map_err(|error| {
            self.remove();
            write_error(&path)(error)
        })
    }

    /// Takes back what [`Self::write`] made, and nothing else.
    fn remove(&self) {
        for path in self.paths() {
            drop(fs::remove_file(path));
        }
        for directory in ["agent", "updater"] {
            drop(fs::remove_dir(self.out_dir.join(directory)));
        }
    }

    fn starter(&self) -> Option<PathBuf> {
        self.updater.as_ref().map(|_| self.out_dir.join("updater.toml"))
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let out_dir = self.out_dir;
        let agent =
            ["ca.crt", "worker.crt", "worker.key"].map(|name| out_dir.join("agent").join(name));
        let mut paths = agent.to_vec();
        if let Some(starter) = self.starter() {
            let names = ["ca.crt", "updater.crt", "updater.key"];
            paths.extend(names.map(|name| out_dir.join("updater").join(name)));
            paths.push(starter);
        }
        paths
    }
}

/// Makes a directory, or takes an empty one, for its owner alone. One that has something in it is
/// the operator's, and keeps its mode: what is put into it is private by itself.
fn make_private(path: &Path) -> io::Result<()> {
    match fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            None => fs::set_permissions(path, Permissions::from_mode(0o700)),
            Some(_) => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(path)
        }
        Err(error) => Err(error),
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn write_error(path: &Path) -> impl Fn(io::Error) -> EnrollError {
    let path = path.to_owned();
    move |source| EnrollError::Write { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use pki::Fleet;
    use tempfile::TempDir;
    use testing::at;

    use super::*;
    use crate::home::HomeEnvironment;
    use crate::hosts::renew;

    struct Master {
        directory: TempDir,
        home: Home,
        store: Store,
    }

    fn master() -> Master {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("home");
        let home = Home::locate(Some(&path), &HomeEnvironment::default()).unwrap();
        home.create().unwrap();
        let fleet: Fleet = "test".parse().unwrap();
        Authority::create(&fleet, at(0)).unwrap().save(home.root()).unwrap();
        let store = Store::create(&home.store(), "ada", at(0)).unwrap();
        Master { directory, home, store }
    }

    impl Master {
        fn wanted(&self, name: &str) -> Enrollment {
            Enrollment {
                name: name.parse().unwrap(),
                address: "127.0.3.1".parse().unwrap(),
                with_updater: true,
                labels: BTreeMap::from([("role".to_owned(), "web".to_owned())]),
                sans: Vec::new(),
                agent_port: Some(8765),
                updater_port: 8766,
                notes: None,
                out_dir: self.directory.path().join("out"),
            }
        }

        fn enroll(&self, wanted: &Enrollment) -> Result<Enrolled, EnrollError> {
            enroll(&self.home, &self.store, wanted, "ada", at(1))
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_host_gets_two_identities_and_a_configuration() {
        let master = master();
        let wanted = master.wanted("web-1");
        let enrolled = master.enroll(&wanted).unwrap();
        assert_eq!(mode(&wanted.out_dir), 0o700);
        for file in ["agent/ca.crt", "agent/worker.crt", "updater/ca.crt", "updater/updater.crt"] {
            assert!(wanted.out_dir.join(file).is_file(), "{file}");
        }
        for key in ["agent/worker.key", "updater/updater.key"] {
            assert_eq!(mode(&wanted.out_dir.join(key)), 0o600, "{key}");
        }
        assert!(enrolled.files.iter().all(|file| file.is_file()));
        let identity =
            pki::Identity::load(&pki::Paths::updater(&wanted.out_dir.join("updater"))).unwrap();
        assert_eq!(identity.role(), &Role::Updater(wanted.name.clone()));
        let host = master.store.host(&wanted.name).unwrap();
        assert_eq!(host.pinned.current, Some(identity.peer().fingerprint), "pinned in one act");
        assert_eq!(host, enrolled.host);
    }

    #[test]
    fn a_host_without_an_updater_gets_none_of_its_files() {
        let master = master();
        let wanted = Enrollment { with_updater: false, ..master.wanted("web-1") };
        master.enroll(&wanted).unwrap();
        assert!(!wanted.out_dir.join("updater").exists());
        assert!(!wanted.out_dir.join("updater.toml").exists());
        assert_eq!(master.store.host(&wanted.name).unwrap().pinned, Pinned::default());
    }

    #[test]
    fn enrolling_overwrites_nothing_and_then_records_nothing() {
        for there in ["updater.toml", "agent/worker.key", "updater/notes.txt"] {
            let master = master();
            let wanted = master.wanted("web-1");
            let path = wanted.out_dir.join(there);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "mine").unwrap();
            let error = master.enroll(&wanted).unwrap_err();
            assert!(error.hint().unwrap().contains("--out-dir"), "{there}: {error:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
            let count = |path: &Path| fs::read_dir(path).unwrap().count();
            assert_eq!(count(&wanted.out_dir), 1, "{there}: nothing else was made");
            assert_eq!(count(path.parent().unwrap()), 1, "{there}");
            assert!(master.store.hosts().unwrap().is_empty(), "{there}");
        }
    }

    #[test]
    fn a_word_that_means_every_host_is_no_name() {
        let master = master();
        let error = master.enroll(&master.wanted("all")).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        assert!(master.store.hosts().unwrap().is_empty());
    }

    #[test]
    fn new_certificates_leave_all_else_as_it_is() {
        let master = master();
        let wanted = Enrollment { notes: Some("rack 3".to_owned()), ..master.wanted("web-1") };
        let first = master.enroll(&wanted).unwrap();
        let renew = |directory: &str, day: i64| {
            let out_dir = master.directory.path().join(directory);
            renew(&master.home, &master.store, &wanted.name, &out_dir, ("ada", at(day * 86_400)))
        };
        let second = renew("second", 60).unwrap();
        let issued = second.certificates[1].fingerprint;
        let current = first.host.pinned.current;
        let pinned = Pinned { current, next: Some(issued), ..Pinned::default() };
        let host = master.store.host(&wanted.name).unwrap();
        assert_eq!(host, Host { pinned, ..first.host });
        assert!(master.directory.path().join("second/updater/updater.key").is_file());
        // Whichever of the two the host gets, it is known by it.
        let third = renew("third", 100).unwrap();
        let pinned = &third.host.pinned;
        let last = third.certificates[1].fingerprint;
        assert_eq!((pinned.current, pinned.next), (current, Some(last)));
        assert_eq!(pinned.between, [issued]);
        let error = renew("third", 101).unwrap_err();
        assert!(error.hint().unwrap().contains("--out-dir"));
        assert_eq!(master.store.host(&wanted.name).unwrap(), third.host, "nothing half done");
        let unknown = "web-2".parse().unwrap();
        let out_dir = master.directory.path().join("x");
        let error =
            super::super::renew(&master.home, &master.store, &unknown, &out_dir, ("a", at(1)));
        assert!(matches!(error, Err(EnrollError::Store(StoreError::UnknownHost { .. }))));
    }

    #[test]
    fn a_name_that_is_taken_leaves_no_files() {
        let master = master();
        master.enroll(&master.wanted("web-1")).unwrap();
        let again =
            Enrollment { out_dir: master.directory.path().join("again"), ..master.wanted("web-1") };
        let error = master.enroll(&again).unwrap_err();
        assert!(error.hint().unwrap().contains("--renew"));
        assert!(!again.out_dir.exists());
    }
}
