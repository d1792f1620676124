//! Making a master: the CA, its own identity and the store.
//!
//! Nothing that is there is changed. A run that was cut short is finished by the next.

use explain::{Exit, Explain};
use pki::{Authority, AuthorityError, FileError, Fingerprint, Fleet, Request, Role, write_bundles};
use serde_json::json;
use store::{Event, EventType, Store, StoreError};
use time::OffsetDateTime;

use crate::fleet::SeenEpochs;
use crate::home::{Home, HomeError};

/// The master that is there now.
#[derive(Debug)]
pub struct Initialised {
    /// Whether it was made just now.
    pub created: bool,
    pub fleet: Fleet,
    pub fingerprint: Fingerprint,
    pub epoch: u64,
}

/// Why there is no master.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error("make the CA")]
    Authority(#[from] AuthorityError),
    #[error("write the master's keys")]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Explain for InitError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Home(error) => error.hint(),
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Home(error) => error.exit(),
            _ => Exit::Failed,
        }
    }
}

/// Makes what is missing of a master.
pub fn initialise(
    home: &Home,
    fleet: &Fleet,
    who: &str,
    now: OffsetDateTime,
) -> Result<Initialised, InitError> {
    home.create()?;
    if home.store().exists() {
        let authority = Authority::load(home.root())?;
        return Ok(told(false, &authority, &Store::open(&home.store())?)?);
    }
    let old = if home.ca().exists() { Some(Authority::load(home.root())?) } else { None };
    let (authority, is_new) = match old {
        Some(authority) => (authority, false),
        None => (Authority::create(fleet, now)?, true),
    };
    let identity = authority.issue(&Request::new(Role::Master), now)?;
    let mut bundles = Vec::new();
    if is_new {
        bundles.push(authority.bundle(home.root()));
    }
    if !home.identity().exists() {
        bundles.push(identity.bundle(&authority, home.identity()));
    }
    write_bundles(&bundles)?;
    let store = Store::create(&home.store(), who, now)?;
    store.record_event(&Event::new(EventType::MasterInitialised, now, who))?;
    Ok(told(true, &authority, &store)?)
}

/// Raises the epoch above all that `seen` has, so that hosts refuse the orders of another copy of this
/// master; gives it back.
pub fn take_over(
    store: &Store,
    seen: &SeenEpochs,
    who: &str,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let highest = seen.highest.as_ref().map_or(0, |(_, epoch)| *epoch);
    let epoch = store.take_over(highest, who, now)?;
    let event = Event::new(EventType::MasterTookOver, now, who);
    store.record_event(&Event { data: json!({"epoch": epoch, "seen": highest}), ..event })?;
    Ok(epoch)
}

fn told(created: bool, authority: &Authority, store: &Store) -> Result<Initialised, StoreError> {
    Ok(Initialised {
        created,
        fleet: authority.fleet().clone(),
        fingerprint: authority.fingerprint(),
        epoch: store.epoch()?,
    })
}

#[cfg(test)]
mod tests {
    use testing::at;

    use super::*;
    use crate::home::HomeEnvironment;

    #[test]
    fn a_master_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("home");
        let home = Home::locate(Some(&path), &HomeEnvironment::default()).unwrap();
        let fleet: Fleet = "north".parse().unwrap();
        let first = initialise(&home, &fleet, "ada", at(0)).unwrap();
        assert!(first.created);
        home.check().unwrap();
        let identity = pki::Identity::load(&pki::Paths::master(home.root())).unwrap();
        assert_eq!(identity.role(), &Role::Master);
        let key = std::fs::read(home.ca().join("ca.key")).unwrap();

        let other: Fleet = "south".parse().unwrap();
        let second = initialise(&home, &other, "eve", at(1)).unwrap();
        assert!(!second.created);
        assert_eq!((second.fleet, second.epoch), (fleet, first.epoch));
        assert_eq!(second.fingerprint, first.fingerprint);
        assert_eq!(std::fs::read(home.ca().join("ca.key")).unwrap(), key);
    }

    #[test]
    fn a_run_that_was_cut_short_is_finished() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("home");
        let home = Home::locate(Some(&path), &HomeEnvironment::default()).unwrap();
        home.create().unwrap();
        let fleet: Fleet = "north".parse().unwrap();
        let authority = Authority::create(&fleet, at(0)).unwrap();
        authority.save(home.root()).unwrap();
        let made = initialise(&home, &fleet, "ada", at(1)).unwrap();
        assert!(made.created);
        assert_eq!(made.fingerprint, authority.fingerprint());
    }
}
